package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
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
