package jobs

import "os"

// Disk and DiskFile are what a recovery asks of the operating system.
type (
	Disk     = disk
	DiskFile = diskFile
	RealDisk = realDisk
)

// OnDisk returns options whose recovery writes with d.
func (o RecoverOptions) OnDisk(d Disk) *RecoverOptions {
	o.disk = d
	return &o
}

// Name gives files their names and then makes the names durable.
func Name(root *os.Root, d Disk, names []string) error {
	o := &output{root: root, disk: d}
	for _, name := range names {
		o.named(name)
	}
	return o.syncNames()
}
