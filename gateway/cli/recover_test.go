package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults/vaultstest"
)

// putVaultFile makes the folder the root of a new vault, and returns its vault file's name.
func putVaultFile(t *testing.T, root string) string {
	t.Helper()
	opened, _, err := vault.Create(t.Context(), vaultstest.Hasher(t), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, filepath.FromSlash(vault.Directory), opened.File().Name())
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, opened.File().Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestCustomersFileOfAnotherVault: a client's own key opens its files wherever they are, and only on its own word are they taken for this vault's.
func TestCustomersFileOfAnotherVault(t *testing.T) {
	c := newConsole(t)
	path, key := sealedFile(t, object.ModeCustomer, []byte("plain"))
	root, customer := filepath.Dir(path), filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(customer, key, 0o600); err != nil {
		t.Fatal(err)
	}
	to := func() string { return filepath.Join(t.TempDir(), "out") }
	into := to()
	code, _, stderr := c.run(t.Context(), "recover", "--from", root, "--to", into, "--customer-key-file", customer)
	if code != 0 || !strings.Contains(stderr, "warning") || !strings.Contains(stderr, "which vault") {
		t.Errorf("a root without a vault file: exit %d\n%s", code, stderr)
	}
	vaultFile := putVaultFile(t, root)
	c.want(0, "verified", "object", "decrypt", path, "--to", to(), "--customer-key-file", customer)
	c.want(1, "another vault", "object", "decrypt", path, "--to", to(), "--customer-key-file", customer, "--vault-file", vaultFile)
	c.want(1, "another vault", "object", "inspect", path, "--customer-key-file", customer, "--vault-file", vaultFile)

	code, stdout, stderr := c.run(t.Context(), "recover", "--from", root, "--to", to(), "--customer-key-file", customer)
	if code != exitFailed || !strings.Contains(stdout, `locked   "f": `) || !strings.Contains(stdout, "another vault") || !strings.Contains(stdout, "object decrypt") ||
		strings.Contains(stderr, "warning") {
		t.Errorf("a root with one: exit %d\n%s%s", code, stdout, stderr)
	}
	away := filepath.Join(t.TempDir(), "no such folder")
	c.want(1, away, "recover", "--from", root, "--to", to(), "--customer-key-file", customer, "--vault-file", away)
}

// TestSeveralCustomerKeys: the one that fits is taken, wherever it stands, and a comma in a file's name is one.
func TestSeveralCustomerKeys(t *testing.T) {
	c := newConsole(t)
	path, key := sealedFile(t, object.ModeCustomer, []byte("plain"))
	right, wrong := filepath.Join(t.TempDir(), "right,key"), filepath.Join(t.TempDir(), "wrong")
	if err := errors.Join(os.WriteFile(right, key, 0o600), os.WriteFile(wrong, bytes.Repeat([]byte{7}, 32), 0o600)); err != nil {
		t.Fatal(err)
	}
	to := func() string { return filepath.Join(t.TempDir(), "out") }
	for _, order := range [][]string{{right, wrong}, {wrong, right}} {
		both := []string{"--customer-key-file", order[0], "--customer-key-file", order[1]}
		c.want(0, "1 objects restored", append([]string{"recover", "--from", filepath.Dir(path), "--to", to()}, both...)...)
		c.want(0, "verified", append([]string{"object", "decrypt", path, "--to", to()}, both...)...)
		c.want(exitUsage, "one --customer-key-file", append([]string{"object", "salvage", path, "--to", to()}, both...)...)
	}
	c.want(1, "locked", "recover", "--from", filepath.Dir(path), "--to", to(), "--customer-key-file", wrong)
}

// TestWrongVaultFileIsRefused: no other vault file takes the place of the one that was named.
func TestWrongVaultFileIsRefused(t *testing.T) {
	c := newConsole(t)
	for _, mode := range []object.Mode{object.ModeVault, object.ModeCustomer} {
		path, key := sealedFile(t, mode, []byte("plain"))
		putVaultFile(t, filepath.Dir(path))
		customer, to := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(customer, key, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{
			{"object", "decrypt", path, "--to", to}, {"object", "salvage", path, "--to", to}, {"object", "inspect", path}, {"recover", "--from", filepath.Dir(path), "--to", to},
		} {
			args := append(command, "--vault-file", path, "--customer-key-file", customer, "--key-file", keyFile(t))
			code, _, stderr := c.run(t.Context(), args...)
			if code != exitFailed || !strings.Contains(stderr, "--vault-file") || !strings.Contains(stderr, path+": ") || !strings.Contains(stderr, "not a vault file") {
				t.Errorf("%v: exit %d\n%s", command, code, stderr)
			}
			if _, err := os.Stat(to); err == nil {
				t.Errorf("%v wrote something", command)
			}
		}
	}
}

// TestRecoveryThatDidNotBeginCountsNothing: no list is named that was never made.
func TestRecoveryThatDidNotBeginCountsNothing(t *testing.T) {
	c, key := newConsole(t), keyFile(t)
	to := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, stop := c.quickstart("--dir", dir, "--key-file", key)
	stop()
	if out := c.want(1, "not a directory", "recover", "--from", filepath.Join(dir, "data"), "--to", to, "--key-file", key); out != "" {
		t.Error(out)
	}
}
