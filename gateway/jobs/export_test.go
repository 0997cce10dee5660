package jobs

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
