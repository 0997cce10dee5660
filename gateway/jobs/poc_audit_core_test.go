//go:build poc

package jobs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"sallyport/gateway/cache"
	"sallyport/gateway/jobs"
	"sallyport/gateway/objects"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/local"
)

// tempNameOf is the name under which writeWhole writes name before it is whole.
func tempNameOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return ".sallyport-" + hex.EncodeToString(sum[:8])
}

// TestPoCRecoverTempClobbersUsersFile: "A file that is there already is never replaced", and a file with the name of a temporary is.
func TestPoCRecoverTempClobbersUsersFile(t *testing.T) {
	f := fill(t)
	to := t.TempDir()
	mine := filepath.Join(to, "backups", tempNameOf("backups/a"))
	if err := os.MkdirAll(filepath.Dir(mine), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("the user's own file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.recover(to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(mine); err != nil || string(got) != "the user's own file" {
		t.Errorf("a file that was there already: %q, %v", got, err)
	}
}

// TestPoCRecoverLosesAnObject: an object whose key is the name of another's temporary (what a killed recovery leaves in its output folder, stored
// again by a backup of that folder) is reported as restored and is not there.
func TestPoCRecoverLosesAnObject(t *testing.T) {
	f := fill(t)
	d, err := local.Open(t.Context(), &local.Config{Path: f.path, Durability: local.DurabilityOff}, &local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := providers.Open("folder", d, nil)
	v := vaultstest.NewVault(t, vaultstest.Options{Store: store})
	s := objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	key := tempNameOf("backups/zzz")
	f.put(s, "backups", key, []byte("an object with an unlucky name"), nil)
	for i := range 12 {
		f.put(s, "backups", string(rune('b'+i)), content(i, 100), nil)
	}
	f.put(s, "backups", "zzz", []byte("the last"), nil)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	report, err := f.recover(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("restored %d of %d, renamed %d, damaged %d %v", report.Restored, len(f.objects), len(report.Renamed), len(report.Damaged), report.Damaged)
	got, err := os.ReadFile(filepath.Join(to, "backups", key))
	if err != nil || !bytes.Equal(got, f.objects["backups/"+key]) {
		t.Errorf("LOST: %s, %d bytes, %v; damaged: %v", key, len(got), err, report.Damaged)
	}
}

// TestPoCTwoRecoveriesIntoOneFolder: a second recovery into the same folder, killed in the middle, empties the temporary under the first one's hands; the
// first then publishes a file with a hole and says that it is restored.
func TestPoCTwoRecoveriesIntoOneFolder(t *testing.T) {
	f := fill(t)
	from, to := t.TempDir(), t.TempDir()
	b, err := os.ReadFile(f.find("photos", "big"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "big"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	firstHalf, secondBegun, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(over)
	type result struct {
		report *jobs.RecoverReport
		err    error
	}
	first := make(chan result, 1)
	go func() {
		waited := false
		r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: from, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) {
			if p.Bytes > 1<<20 && !waited {
				waited = true
				close(firstHalf)
				<-secondBegun
			}
		}})
		first <- result{r, err}
	}()
	<-firstHalf
	go func() { // it stops for ever after a few bytes, as if killed
		begun := false
		_, _ = jobs.Recover(t.Context(), &jobs.RecoverOptions{From: from, To: to, Keyring: f.keyring, Progress: func(p jobs.Progress) {
			if p.Bytes > 0 && !begun {
				begun = true
				close(secondBegun)
				<-over
			}
		}})
	}()
	r := <-first
	t.Logf("the first said: restored %d, damaged %d, renamed %d, error %v", r.report.Restored, len(r.report.Damaged), len(r.report.Renamed), r.err)
	got, err := os.ReadFile(filepath.Join(to, "photos", "big"))
	if want := f.objects["photos/big"]; err != nil || !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("TORN: %d of %d bytes, the first wrong one at %d, %v", len(got), len(want), at, err)
	}
}

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

// TestPoCRecoverCallsAnEmptiedObjectForeign: a file system check or a full disk leaves files of zeros or of no length, and the job says that all is well.
func TestPoCRecoverCallsAnEmptiedObjectForeign(t *testing.T) {
	f := fill(t)
	alter(t, f.find("backups", "a"), func([]byte) []byte { return nil })
	alter(t, f.find("photos", "big"), func(b []byte) []byte { clear(b); return b })
	report, err := f.recover(t.TempDir())
	if err != nil || len(report.Damaged) != 2 {
		t.Errorf("damaged %v, foreign %v, %v", report.Damaged, report.Foreign, err)
	}
}
