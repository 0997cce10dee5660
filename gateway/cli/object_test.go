package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/crypto/object"
	"sallyport/gateway/jobs"
)

// TestCustomerKeyFileOfRawBytes: a raw key is taken as it is, whatever its last byte looks like.
func TestCustomerKeyFileOfRawBytes(t *testing.T) {
	c := newConsole(t)
	file := filepath.Join(t.TempDir(), "key")
	for last := range 256 {
		raw := append(bytes.Repeat([]byte{9}, 31), byte(last))
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		flags := objectKeyFlags{CustomerKeyFile: file}
		ring, err := flags.keyring(t.Context(), &Stdio{In: c.in, Out: &c.out, Err: c.err}, file, true)
		if err != nil || !bytes.Equal(ring.Customer.Reveal()[:], raw) {
			t.Errorf("last byte %#x: %v", last, err)
		}
	}
}

// TestLockedFilesAreToldWhatTheyNeed: a locked file's line says what to give, and only a damaged one is sent to salvage.
func TestLockedFilesAreToldWhatTheyNeed(t *testing.T) {
	c := newConsole(t)
	stdio := &Stdio{In: c.in, Out: &c.out, Err: c.err}
	for err, says := range map[error]string{
		jobs.ErrNeedsCustomerKey: "--customer-key-file", jobs.ErrOtherCustomerKey: "--customer-key-file", jobs.ErrNeedsVault: "--key-file",
		jobs.ErrOtherVault: "--vault-file", jobs.ErrOlderVaultFile: "newest one with --vault-file",
	} {
		c.out.Reset()
		(&recoverCommand{}).print(stdio, &jobs.RecoverReport{Locked: []jobs.Problem{{Path: "photos,/x", Err: err}}})
		if out := c.out.String(); !strings.Contains(out, "locked   photos,/x") || !strings.Contains(out, says) || strings.Contains(out, "salvage") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if text := explain(object.ErrDamaged).Error(); !strings.Contains(text, "salvage") {
		t.Error(text)
	}
	locked, damaged := notRestored(0, 2).Error(), notRestored(1, 0).Error()
	if strings.Contains(locked, "salvage") || !strings.Contains(locked, "run this again") || !strings.Contains(damaged, "salvage") || strings.Contains(damaged, "Locked") {
		t.Errorf("%s\n%s", locked, damaged)
	}
	if err := notRestored(0, 0); err != nil {
		t.Error(err)
	}
}
