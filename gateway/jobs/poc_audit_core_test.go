//go:build poc

package jobs_test

import (
	"bytes"
	"io"
	"syscall"
	"testing"

	"sallyport/gateway/jobs"
)

// brokenDisk cannot read one sector.
type brokenDisk struct {
	io.ReaderAt
	bad int64
}

func (b brokenDisk) ReadAt(p []byte, off int64) (int, error) {
	if off <= b.bad && b.bad < off+int64(len(p)) {
		return 0, syscall.EIO
	}
	return b.ReaderAt.ReadAt(p, off)
}

// TestPoCSalvageGivesUpAtABadSector: one sector that cannot be read ends the salvage of everything behind it; the command then removes what it had.
func TestPoCSalvageGivesUpAtABadSector(t *testing.T) {
	f := fill(t)
	src, size := openSource(t, f.find("photos", "big"))
	var out bytes.Buffer
	report, err := jobs.Salvage(brokenDisk{src, 1 << 20}, size, f.keyring.VaultID(), f.keyring, &out)
	if err != nil || report.Size != int64(len(f.objects["photos/big"])) {
		t.Errorf("salvaged %d of %d bytes: %v", out.Len(), len(f.objects["photos/big"]), err)
	}
}
