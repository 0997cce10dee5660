//go:build unix

package secret_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"sallyport/config/secret"
)

func TestReadFD(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteString(canary + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	// ReadFD closes the descriptor it is given, so it gets one that no os.File of this test owns.
	fd, err := syscall.Dup(int(reader.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := secret.ReadFD(uintptr(fd))
	if err != nil || string(got.Reveal()) != canary {
		t.Errorf("ReadFD = %q, %v", got.Reveal(), err)
	}
}

func TestReadFDThatIsNotOpen(t *testing.T) {
	if _, err := secret.ReadFD(1 << 20); err == nil || !strings.Contains(err.Error(), "descriptor 1048576") {
		t.Errorf("a closed descriptor gave %v", err)
	}
}
