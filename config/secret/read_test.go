package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"sallyport/config/secret"
)

func TestReadTrimsOneLineEnding(t *testing.T) {
	for input, want := range map[string]string{
		"abc": "abc", "abc\n": "abc", "abc\r\n": "abc", "abc\n\n": "abc\n", "abc\r": "abc\r", " abc \n": " abc ", "a\nb\n": "a\nb", "\x00\xff\n": "\x00\xff",
		"\xef\xbb\xbfabc\r\n": "abc", "a\xef\xbb\xbf": "a\xef\xbb\xbf",
	} {
		got, err := secret.Read(iotest.OneByteReader(strings.NewReader(input)))
		if err != nil || string(got.Reveal()) != want {
			t.Errorf("Read(%q) = %q, %v; want %q", input, got.Reveal(), err, want)
		}
	}
}

func TestReadBinaryFileTrimsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, content := range []string{"\n", "\r\n", "abc\r\n", "abc\n\n", "\x00\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, warning, err := secret.ReadBinaryFile(path); err != nil || warning != "" || string(got.Reveal()) != content {
			t.Errorf("%q was read as %q, %q, %v", content, got.Reveal(), warning, err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := secret.ReadBinaryFile(path); !errors.Is(err, secret.ErrEmpty) {
		t.Errorf("an empty file gave %v", err)
	}
}

func TestReadRefusesEmptyAndLarge(t *testing.T) {
	for _, input := range []string{"", "\n", "\r\n", "\xef\xbb\xbf", "\xef\xbb\xbf\r\n"} {
		if _, err := secret.Read(strings.NewReader(input)); !errors.Is(err, secret.ErrEmpty) {
			t.Errorf("Read(%q) = %v, want ErrEmpty", input, err)
		}
	}
	if got, err := secret.Read(strings.NewReader(strings.Repeat("a", secret.MaxSize))); err != nil || len(got.Reveal()) != secret.MaxSize {
		t.Errorf("the largest secret was refused: %v", err)
	}
	if _, err := secret.Read(strings.NewReader(strings.Repeat("a", secret.MaxSize+1))); !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("one byte too many gave %v", err)
	}
	if _, err := secret.Read(endless{}); !errors.Is(err, secret.ErrTooLarge) {
		t.Errorf("an endless source gave %v", err)
	}
}

// TestReadNamesUTF16: it is what > of Windows PowerShell makes of sallyport key new.
func TestReadNamesUTF16(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, content := range []string{"\xff\xfea\x00b\x00", "\xfe\xff\x00a"} {
		if got, err := secret.Read(strings.NewReader(content)); !errors.Is(err, secret.ErrUTF16) || !got.IsZero() {
			t.Errorf("Read(%q): %v", content, err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := secret.ReadFile(path); !errors.Is(err, secret.ErrUTF16) || !strings.Contains(err.Error(), path) || !got.IsZero() {
			t.Errorf("ReadFile of %q: %v", content, err)
		}
	}
}

func TestReadReportsFailure(t *testing.T) {
	if _, err := secret.Read(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc")))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v, want the reader's error: a half secret must not pass", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestReadFileWarnsWhenOthersCanRead(t *testing.T) {
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o644: true} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(canary+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		got, warning, err := secret.ReadFile(path)
		if err != nil || string(got.Reveal()) != canary {
			t.Errorf("mode %o: %q, %v", mode, got.Reveal(), err)
		}
		if runtime.GOOS != "windows" && (warning != "") != warns {
			t.Errorf("mode %o: warning %q, want one: %t", mode, warning, warns)
		}
		if strings.Contains(warning, canary) {
			t.Errorf("the warning shows the secret: %s", warning)
		}
	}
}

func TestReadFileRefusals(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := secret.ReadFile(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, _, err := secret.ReadFile(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := secret.ReadFile(empty); !errors.Is(err, secret.ErrEmpty) || !strings.Contains(err.Error(), empty) {
		t.Errorf("empty file: %v", err)
	}
}
