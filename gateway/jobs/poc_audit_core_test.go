//go:build poc

package jobs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"sallyport/crypto/object"
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

// TestPoCTwoDecryptsOfOneName: two commands that write one name share one temporary.
func TestPoCTwoDecryptsOfOneName(t *testing.T) {
	f := fill(t)
	for round := range 16 {
		to := filepath.Join(t.TempDir(), "plain")
		var results [2]error
		var work sync.WaitGroup
		for i, what := range []string{"parts", "parts"} {
			work.Go(func() {
				src, size := openSource(t, f.find("backups", what))
				opened, err := object.OpenFile(src, size, f.keyring)
				if err == nil {
					err = jobs.DecryptFile(opened, to)
				}
				results[i] = err
			})
		}
		work.Wait()
		got, err := os.ReadFile(to)
		if (results[0] == nil || results[1] == nil) && (err != nil || !bytes.Equal(got, f.objects["backups/parts"])) {
			t.Fatalf("round %d: said %v and %v, and the file has %d bytes (%v)", round, results[0], results[1], len(got), err)
		}
	}
}
