package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/crypto/object"
	"sallyport/gateway/jobs"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünïcode 日本 \"x\" \\": "plain ünïcode 日本 \"x\" \\",
		"\x1b[2Ja\nb\rc\td\x00":     `\x1b[2Ja\nb\rc\td\x00`,
		"\xff\u202e\u2028\u009b":    `\xff\u202e\u2028\u009b`,
		"\ufffd":                    "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// TestRecoverPrintsNoNamesRaw: whoever can put files into a root must not be able to write to the terminal of the one who recovers it.
func TestRecoverPrintsNoNamesRaw(t *testing.T) {
	c := newConsole(t)
	evil := "x\x1b]0;pwned\x07\r\n0 damaged"
	err := &os.PathError{Op: "open", Path: evil, Err: errors.New("no")}
	problem := []jobs.Problem{{Path: evil, Err: err}, {Path: evil, Bucket: evil, Key: evil, Err: err}}
	(&recoverCommand{}).print(&Stdio{In: c.in, Out: &c.out, Err: c.err}, &jobs.RecoverReport{
		Renamed: problem, Locked: problem, Unwritten: problem, Damaged: problem, Foreign: []string{evil}, Manifest: "list",
	})
	out := c.out.String()
	if strings.ContainsAny(out, "\x1b\x07\r") || strings.Count(out, "\n") != 10 || strings.Count(out, `\x1b]0;pwned`) < 12 {
		t.Errorf("%q", out)
	}
}

// TestDefaultNameOfADecryptedFile: only what is plainly a file name becomes one without being asked for.
func TestDefaultNameOfADecryptedFile(t *testing.T) {
	for key, want := range map[string]string{"a/b.txt": "b.txt", "x": "x", "a b": "a b", "日本/é": "é", "a-b": "a-b"} {
		if got, err := defaultName(key); err != nil || got != want {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
	for _, key := range []string{
		"", "a/", "-", "a/-", "-rf", ".", "..", "a/.bashrc", "a\x1b[2J", "a\nb", "a\x7f", "a\u202eb", "a\xff", "a\\b", "a:b", " a", "a ", "a.", strings.Repeat("n", 256),
	} {
		if got, err := defaultName(key); err == nil || !strings.Contains(err.Error(), "--to") || printable(err.Error()) != err.Error() {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}

// TestNothingIsWrittenToAFileCalledMinus: elsewhere it means standard output, which gets nothing that is not yet verified whole.
func TestNothingIsWrittenToAFileCalledMinus(t *testing.T) {
	t.Chdir(t.TempDir())
	c := newConsole(t)
	path, key := sealedFile(t, object.ModeCustomer, []byte("plain"))
	customer := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(customer, key, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"object", "decrypt", path}, {"object", "salvage", path}, {"recover", "--from", filepath.Dir(path)}} {
		c.want(exitUsage, "./-", append(command, "--to", "-", "--customer-key-file", customer)...)
	}
	c.want(0, "verified", "object", "decrypt", path, "--to", "./-", "--customer-key-file", customer)
	if left, err := os.ReadDir("."); err != nil || len(left) != 1 || left[0].Name() != "-" {
		t.Errorf("%v, %v", left, err)
	}
}
