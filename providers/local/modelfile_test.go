package local_test

import (
	"io"
	"slices"
	"time"

	"sallyport/providers/local"
)

// modelFile is an open file of a modelFS.
type modelFile struct {
	m    *modelFS
	n    *node
	path string
	off  int
}

func (f *modelFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, int64(f.off))
	f.off += n
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *modelFile) ReadAt(p []byte, off int64) (int, error) {
	leave, fault, _ := f.m.enter("read", f.path)
	defer leave()
	if fault != nil {
		return 0, fault
	}
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *modelFile) Write(p []byte) (int, error) {
	leave, fault, _ := f.m.enter("write", f.path)
	defer leave()
	if fault != nil { // half of it gets there, as on a full disk
		p = p[:len(p)/2]
	}
	if len(p) > 0 {
		f.m.record(change{kind: "write", node: f.n, off: f.off, data: slices.Clone(p)})
	}
	f.off += len(p)
	return len(p), fault
}

func (f *modelFile) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{f}, r) }

func (f *modelFile) SeekTo(off int64) error { f.off = int(off); return nil }

func (f *modelFile) Stat() (local.Stat, error) {
	leave, fault, _ := f.m.enter("fstat", f.path)
	defer leave()
	return f.n.stat(), fault
}

func (f *modelFile) SetModTime(t time.Time) error {
	leave, fault, _ := f.m.enter("utimes", f.path)
	defer leave()
	if fault != nil {
		return fault
	}
	f.m.record(change{kind: "time", node: f.n, time: t})
	return nil
}

func (f *modelFile) Sync() error {
	leave, fault, _ := f.m.enter("sync", f.path)
	defer leave()
	if fault != nil {
		f.m.record(change{kind: "lost", dir: f.n})
		return fault
	}
	if !f.m.ignoreFileSync {
		f.m.record(change{kind: "sync", dir: f.n})
	}
	return nil
}

func (f *modelFile) Close() error {
	leave, fault, _ := f.m.enter("close", f.path)
	defer leave()
	f.m.opened--
	return fault
}
