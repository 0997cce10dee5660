package jobs_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/crypto/vault"
	"sallyport/gateway/jobs"
)

func TestParseCustomerKey(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	for _, text := range []string{string(raw), strings.Repeat("07", 32), "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="} {
		if k, err := jobs.ParseCustomerKey([]byte(text)); err != nil || !bytes.Equal(k.Reveal()[:], raw) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "x", strings.Repeat("zz", 32), "BwcH"} {
		if _, err := jobs.ParseCustomerKey([]byte(text)); err == nil || text != "" && strings.Contains(err.Error(), text) && len(text) > 4 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestParseCustomerKeyOfEveryLastByte: a raw key may end in what looks like a line ending, and an encoded one in a real one.
func TestParseCustomerKeyOfEveryLastByte(t *testing.T) {
	for last := range 256 {
		raw := bytes.Repeat([]byte{'\r'}, 32)
		raw[31] = byte(last)
		for _, text := range []string{string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), base64.StdEncoding.EncodeToString(raw)} {
			for _, ending := range []string{"", "\n", "\r\n"} {
				k, err := jobs.ParseCustomerKey([]byte(text + ending))
				if err != nil || !bytes.Equal(k.Reveal()[:], raw) {
					t.Errorf("last byte %#x, %d characters, ending %q: %v", last, len(text), ending, err)
				}
			}
		}
	}
	for _, n := range []int{31, 34, 63, 65, 43, 45} {
		if _, err := jobs.ParseCustomerKey(bytes.Repeat([]byte{'a'}, n)); err == nil {
			t.Errorf("%d bytes are taken for a key", n)
		}
	}
}

func TestFindVaultFile(t *testing.T) {
	f := fill(t)
	for _, where := range []string{f.path, f.find("photos", "a"), filepath.Join(f.path, ".sallyport", "vault"), filepath.Join(f.path, ".sallyport", "vault", "0000000001.json")} {
		if file, err := jobs.FindVaultFile(where); err != nil || file.ID() != f.keyring.Vault.ID() {
			t.Errorf("%s: %v", where, err)
		}
	}
	file := filepath.Join(t.TempDir(), "object")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "no vault file in " + filepath.Join(filepath.Dir(file), ".sallyport", "vault") + " nor"
	for _, where := range []string{file, filepath.Dir(file)} {
		if _, err := jobs.FindVaultFile(where); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %s: %v, want %q", where, err, want)
		}
	}
	if _, err := jobs.FindVaultFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "--vault-file") {
		t.Errorf("nowhere: %v", err)
	}
}

// TestNamedVaultFile: whoever names a vault file means that one, and a slip must not open with another one that lies nearby.
func TestNamedVaultFile(t *testing.T) {
	f := fill(t)
	dir := filepath.Join(f.path, ".sallyport", "vault")
	for _, where := range []string{f.path, dir, filepath.Join(dir, "0000000001.json")} {
		if file, err := jobs.NamedVaultFile(where); err != nil || file.ID() != f.keyring.Vault.ID() {
			t.Errorf("%s: %v", where, err)
		}
	}
	whole, err := os.ReadFile(filepath.Join(dir, "0000000001.json"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(f.path, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, where := range []string{
		f.find("photos", "a"), write("note.txt", []byte("not ours")), write("cut.json", whole[:len(whole)-1]), write("none", nil),
		write("big", bytes.Repeat(whole, 1+vault.MaxFileSize/len(whole))), filepath.Join(f.path, "absent"), filepath.Join(f.path, "photos,"),
		filepath.Dir(write("damaged/0000000001.json", whole[1:])),
	} {
		if file, err := jobs.NamedVaultFile(where); err == nil || file != nil || !strings.Contains(err.Error(), where) {
			t.Errorf("%s: %v", where, err)
		}
	}
	renumbered := filepath.Dir(write("renumbered/0000000009.json", whole))
	if _, err := jobs.NamedVaultFile(renumbered); err == nil || !strings.Contains(err.Error(), "generation 1") {
		t.Errorf("a vault file under another generation's name: %v", err)
	}
	// Files that merely have such names do not hide the root's own.
	write("0000000009.json", whole)
	if file, err := jobs.NamedVaultFile(f.path); err != nil || file.ID() != f.keyring.Vault.ID() {
		t.Errorf("a root with a file of such a name: %v", err)
	}
}
