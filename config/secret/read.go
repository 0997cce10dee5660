package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// MaxSize is the largest secret, in bytes and with its line ending, that [ReadFile], [ReadFD] and [Read] take.
const MaxSize = 16 << 10

var (
	// ErrEmpty means that the file or descriptor held nothing, or only a line ending.
	ErrEmpty = errors.New("the secret is empty")
	// ErrTooLarge means that it held more than [MaxSize] bytes.
	ErrTooLarge = fmt.Errorf("the secret is larger than %d bytes; is this the right file?", MaxSize)
	// ErrUTF16 means that it held UTF-16, as Windows PowerShell writes with > and Out-File.
	ErrUTF16 = errors.New("the secret is UTF-16 text; save it as UTF-8")
)

// ReadFile reads a secret text from a file and trims one trailing line ending and a UTF-8 byte order mark. UTF-16 is [ErrUTF16]. It reads at most [MaxSize] + 1 bytes.
//
// The warning is not empty when the file is a regular one that its group or everybody may read; the secret is returned all the same,
// since container runtimes mount secrets that way. On Windows, whose permissions are not mode bits, there is no warning.
func ReadFile(path string) (value Bytes, warning string, err error) {
	value, warning, err = ReadBinaryFile(path)
	if err != nil {
		return Bytes{}, "", err
	}
	defer value.Clear()
	text, err := textOf(value.Reveal())
	if err != nil {
		return Bytes{}, "", fmt.Errorf("read secret from %s: %w", path, err)
	}
	return NewBytes(text), warning, nil
}

// ReadBinaryFile is [ReadFile] for what may be raw bytes, whose last may look like a line ending: it trims nothing.
func ReadBinaryFile(path string) (value Bytes, warning string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return Bytes{}, "", fmt.Errorf("read secret: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return Bytes{}, "", fmt.Errorf("read secret: %w", err)
	}
	if info.IsDir() {
		return Bytes{}, "", fmt.Errorf("read secret: %s is a directory; name the file inside it", path)
	}
	value, err = readAll(file)
	if err != nil {
		return Bytes{}, "", fmt.Errorf("read secret from %s: %w", path, err)
	}
	if runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		warning = fmt.Sprintf("other users of this machine can read the secret in %s (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return value, warning, nil
}

// ReadFD reads a secret from an inherited file descriptor until its end, trims it as [Read] does and closes the descriptor.
// It blocks until the writing side closes. On Windows fd is a handle, except 0, which is standard input everywhere.
func ReadFD(fd uintptr) (value Bytes, err error) {
	file := os.Stdin
	if fd != 0 {
		file = os.NewFile(fd, fmt.Sprintf("descriptor %d", fd))
	}
	if file == nil {
		return Bytes{}, fmt.Errorf("read secret from descriptor %d: not a valid descriptor", fd)
	}
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("read secret from descriptor %d: %w", fd, closeErr)
		}
	}()
	value, err = Read(file)
	if err != nil {
		return Bytes{}, fmt.Errorf("read secret from descriptor %d: %w", fd, err)
	}
	return value, nil
}

// Read reads a secret until the end of source and trims one trailing line ending (LF or CR LF) and a UTF-8 byte order mark, no other space. It
// stops after [MaxSize] + 1 bytes with [ErrTooLarge]; nothing at all is [ErrEmpty], UTF-16 is [ErrUTF16].
func Read(source io.Reader) (Bytes, error) {
	value, err := readAll(source)
	if err != nil {
		return Bytes{}, err
	}
	defer value.Clear()
	text, err := textOf(value.Reveal())
	if err != nil {
		return Bytes{}, err
	}
	return NewBytes(text), nil
}

func readAll(source io.Reader) (Bytes, error) {
	buffer := make([]byte, MaxSize+1)
	defer clear(buffer)
	n, err := io.ReadFull(source, buffer)
	switch {
	case err == nil:
		return Bytes{}, ErrTooLarge
	case errors.Is(err, io.EOF):
		return Bytes{}, ErrEmpty
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return Bytes{}, err
	}
	return NewBytes(buffer[:n]), nil
}

// textOf takes away what editors and shells put around a text: one line ending behind it, and a UTF-8 byte order mark before it, which nobody can
// type at a prompt.
func textOf(raw []byte) ([]byte, error) {
	if bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff")) {
		return nil, ErrUTF16
	}
	text := bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if trimmed, found := bytes.CutSuffix(text, []byte("\n")); found {
		text = bytes.TrimSuffix(trimmed, []byte("\r"))
	}
	if len(text) == 0 {
		return nil, ErrEmpty
	}
	return text, nil
}
