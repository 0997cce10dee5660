package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/crypto/keys"
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
		flags := objectKeyFlags{CustomerKeyFile: []string{file}}
		ring, err := flags.keyring(t.Context(), &Stdio{In: c.in, Out: &c.out, Err: c.err}, file, true)
		if err != nil || !bytes.Equal(ring.Customers[0].Reveal()[:], raw) {
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
		if out := c.out.String(); !strings.Contains(out, `locked   "photos,/x"`) || !strings.Contains(out, says) || strings.Contains(out, "salvage") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if text := explain(object.ErrDamaged).Error(); !strings.Contains(text, "salvage") {
		t.Error(text)
	}
	locked, damaged := notRestored(0, 0, 2).Error(), notRestored(1, 0, 0).Error()
	if strings.Contains(locked, "salvage") || !strings.Contains(locked, "run this again") || !strings.Contains(damaged, "salvage") || strings.Contains(damaged, "Locked") {
		t.Errorf("%s\n%s", locked, damaged)
	}
	if unwritten := notRestored(0, 1, 0).Error(); strings.Contains(unwritten, "salvage") || !strings.Contains(unwritten, "run this again") {
		t.Error(unwritten)
	}
	if err := notRestored(0, 0, 0); err != nil {
		t.Error(err)
	}
}

// sealedFile is an object file of a vault that is not here, in a folder of its own.
func sealedFile(t *testing.T, mode object.Mode, plain []byte) (path string, key []byte) {
	t.Helper()
	id := object.Identity{Mode: mode, VaultID: object.VaultID{1}, Salt: object.NewSalt()}
	key = bytes.Repeat([]byte{9}, 32)
	var secret keys.ObjectSecret
	if mode == object.ModeCustomer {
		customer, err := keys.ParseCustomerKey(key)
		if err != nil {
			t.Fatal(err)
		}
		secret = keys.CustomerObjectSecret(customer, id.Salt)
	} else {
		id.Epoch = 1
		secret = keys.VaultObjectSecret(keys.NewVRK(), id.VaultID, id.Epoch, id.Salt)
	}
	r, err := object.NewObjectReader(id, secret, int64(len(plain)), bytes.NewReader(plain), func() (*object.Metadata, error) {
		return &object.Metadata{Bucket: "photos", Key: "a", Time: time.UnixMilli(1)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, key
}

// TestCustomersFileElsewhere: what stands in clear in the file says which key it needs, and no vault is looked for.
func TestCustomersFileElsewhere(t *testing.T) {
	c := newConsole(t)
	plain := bytes.Repeat([]byte("plain "), 20_000)
	path, key := sealedFile(t, object.ModeCustomer, plain)
	to := filepath.Join(t.TempDir(), "out")
	for _, more := range [][]string{nil, {"--key-file", keyFile(t)}, {"--key-file", keyFile(t), "--vault-file", "/no/such/file"}} {
		for _, command := range []string{"decrypt", "salvage"} {
			code, _, stderr := c.run(t.Context(), append([]string{"object", command, path, "--to", to}, more...)...)
			if code != exitUsage || !strings.Contains(stderr, "--customer-key-file") || !strings.Contains(stderr, "SSE-C") || strings.Contains(stderr, "vault file") {
				t.Errorf("%s with %v: exit %d\n%s", command, more, code, stderr)
			}
		}
	}
	c.want(0, "SSE-C", "object", "inspect", path)
	c.want(2, "--customer-key-file", "object", "inspect", path, "--key-file", keyFile(t))
	customer := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(customer, key, 0o600); err != nil {
		t.Fatal(err)
	}
	// A vault's key besides does no harm, though its vault file is not here.
	c.want(0, "verified", "object", "decrypt", path, "--to", to, "--customer-key-file", customer, "--key-file", keyFile(t))
	if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// Of a vault's file the message names the folder that was searched, not the file.
	path, _ = sealedFile(t, object.ModeVault, plain)
	code, _, stderr := c.run(t.Context(), "object", "decrypt", path, "--to", to, "--key-file", keyFile(t))
	if code != exitFailed || !strings.Contains(stderr, "no vault file in "+filepath.Join(filepath.Dir(path), ".sallyport", "vault")+" nor") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	// An altered tail may claim to be a customer's: the first part says what it is, and salvage goes by that.
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tail := content[len(content)-object.TailSize:]
	tail[bytes.IndexByte(tail[8:16], byte(object.ModeVault))+8] = byte(object.ModeCustomer)
	clear(tail[12:16]) // the epoch, of which a customer's object has none
	if in, err := object.Inspect(bytes.NewReader(content), int64(len(content))); err != nil || in.Tail == nil || in.Tail.Mode != object.ModeCustomer {
		t.Fatalf("this alteration does not test it: %+v, %v", in, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c.want(1, "--vault-file", "object", "salvage", path, "--to", to+"2", "--key-file", keyFile(t))
}

// TestInspectClaimsNoMoreThanItKnows: a file without its tail has the size of some other, whole object.
func TestInspectClaimsNoMoreThanItKnows(t *testing.T) {
	c := newConsole(t)
	path, _ := sealedFile(t, object.ModeVault, bytes.Repeat([]byte("x"), 100_000))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := whole[:len(whole)-object.TailSize]
	if wrong, ok := object.PlainSize(int64(len(cut))); !ok || wrong == 100_000 {
		t.Fatalf("this file does not test it: %d, %v", wrong, ok)
	}
	inserted := bytes.Clone(whole[:50_000])
	inserted = append(append(inserted, 0), whole[50_000:]...)
	beheaded := bytes.Clone(whole)
	clear(beheaded[:8])
	for name, test := range map[string]struct {
		content []byte
		says    string
	}{
		"whole":          {whole, "plaintext   100000 bytes, by the file's size\n"},
		"without tail":   {cut, "plaintext   uncertain: the file's end is missing or altered; its beginning says 100000 bytes: try sallyport object salvage"},
		"cut elsewhere":  {whole[:70_000], "plaintext   uncertain: the file's end is missing"},
		"a byte more":    {inserted, "plaintext   uncertain: 100001 bytes by the file's size, and 100000 by its beginning"},
		"without header": {beheaded, "its beginning is damaged"},
	} {
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := c.want(0, test.says, "object", "inspect", path); name != "whole" && strings.Contains(out, "by the file's size\n") {
			t.Errorf("%s: it sounds certain:\n%s", name, out)
		}
	}
}

// TestSalvageSaysWhatItKnows: of a whole file it says so, and what it calls missing has a line.
func TestSalvageSaysWhatItKnows(t *testing.T) {
	c := newConsole(t)
	path, key := sealedFile(t, object.ModeCustomer, bytes.Repeat([]byte("x"), 100_000))
	customer := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(customer, key, 0o600); err != nil {
		t.Fatal(err)
	}
	salvage := func(code int, says string) string {
		t.Helper()
		return c.want(code, says, "object", "salvage", path, "--to", filepath.Join(t.TempDir(), "out"), "--customer-key-file", customer)
	}
	if out := salvage(0, "from an object sent in one piece\nNothing is missing"); !strings.Contains(out, "object decrypt") {
		t.Error(out)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content[:len(content)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	salvage(0, "Nothing is known to be missing; only with its tail")
	c.want(1, "choose another name with --to", "object", "salvage", path, "--to", path, "--customer-key-file", customer)
	for missing, says := range map[bool]string{true: "lost: parts [1];", false: "lost, or never sent"} {
		c.out.Reset()
		r := &jobs.SalvageReport{Parts: []int{2, 3}, Missing: []int{1}, Listed: missing, Size: 1}
		if err := (&objectSalvageCommand{}).print(&Stdio{In: c.in, Out: &c.out, Err: c.err}, r); err == nil || !strings.Contains(c.out.String(), says) {
			t.Errorf("%v: %s", err, c.out.String())
		}
	}
}

func TestPartRanges(t *testing.T) {
	for want, numbers := range map[string][]int{
		"": nil, "7": {7}, "1 2": {1, 2}, "1-3": {1, 2, 3}, "1 3 4 6-9 11 12": {1, 3, 4, 6, 7, 8, 9, 11, 12}, "2-4 4": {2, 3, 4, 4},
	} {
		if got := partRanges(numbers); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}

// TestInterruptedObjectCommandsLeaveNothing: the first Ctrl-C ends them, and no part of the plaintext stays under another name.
func TestInterruptedObjectCommandsLeaveNothing(t *testing.T) {
	c := newConsole(t)
	path, key := sealedFile(t, object.ModeCustomer, bytes.Repeat([]byte("x"), 100_000))
	customer, dir := filepath.Join(t.TempDir(), "key"), t.TempDir()
	if err := os.WriteFile(customer, key, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(Interruption{os.Interrupt})
	for _, verb := range []string{"decrypt", "salvage"} {
		code, stdout, stderr := c.run(ctx, "object", verb, path, "--to", filepath.Join(dir, "out"), "--customer-key-file", customer)
		if code != exitFailed || !strings.Contains(stderr, "stopped by signal: interrupt") {
			t.Errorf("%s: exit %d\n%s%s", verb, code, stdout, stderr)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s left %v, %v", verb, left, err)
		}
	}
}
