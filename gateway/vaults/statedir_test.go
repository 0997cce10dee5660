package vaults_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/crypto/vault"
)

// TestCopiesOfTheVaultFileAreTheOnesInUse: what opened is what lies in the state directory, whatever lay there before; and of what lay there no vault's
// file is lost.
func TestCopiesOfTheVaultFileAreTheOnesInUse(t *testing.T) {
	other := newRoot(t)
	other.create("")
	for name, before := range map[string][]byte{
		"none": nil, "cut": other.file(1)[:500], "empty": {}, "another vault's": other.file(1),
	} {
		r := newRoot(t)
		r.create("")
		dir := filepath.Join(r.state, "vaults", "home")
		copied := filepath.Join(dir, vault.FileName(1))
		if err := os.WriteFile(copied, before, 0o600); err != nil {
			t.Fatal(err)
		}
		if before == nil {
			if err := os.Remove(copied); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, r.file(1)) {
			t.Errorf("%s: the copy is not the vault file in use: %v", name, err)
		}
		kept, err := filepath.Glob(copied + ".other-*")
		if err != nil {
			t.Fatal(err)
		}
		if whole := name == "another vault's"; whole != (len(kept) == 1) {
			t.Errorf("%s: kept beside: %v", name, kept)
		} else if whole {
			if got, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(got, before) {
				t.Errorf("%s: what was kept is something else: %v", name, err)
			}
		}
	}
}

// TestTheHintNamesACopyOfThisVault: whoever puts back the file that the error names must get this vault, and an intact file.
func TestTheHintNamesACopyOfThisVault(t *testing.T) {
	other := newRoot(t)
	other.create("")
	r := newRoot(t)
	r.create("")
	dir := filepath.Join(r.state, "vaults", "home")
	for generation, b := range map[uint64][]byte{2: other.file(1), 3: r.file(1)[:500], 4: {}} {
		if err := os.WriteFile(filepath.Join(dir, vault.FileName(generation)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.remove(vault.Directory + vault.FileName(1))
	err := r.vault(r.state).Open(t.Context(), withKey(t))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, vault.FileName(1))) {
		t.Errorf("%v", err)
	}
}
