package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"sallyport/config/secret"
)

// Stdio is where a command reads and writes. Interaction happens only when In and Err are terminals.
type Stdio struct {
	In  *os.File
	Out io.Writer
	Err *os.File

	warned func(text string) // takes warnings; nil = they go to Err
}

// errNoTerminal means that something must be asked and nobody can be.
var errNoTerminal = errors.New("there is no terminal to ask at")

func (s *Stdio) interactive() bool {
	return s.In != nil && s.Err != nil && term.IsTerminal(int(s.In.Fd())) && term.IsTerminal(int(s.Err.Fd()))
}

// errInterrupted ends a command at a question: nobody answers any more.
var errInterrupted = errors.New("interrupted")

// askSecret shows a prompt and reads a line without echo. When ctx ends first it returns errInterrupted at once, with the terminal as it was.
func (s *Stdio) askSecret(ctx context.Context, prompt string) (secret.String, error) {
	if !s.interactive() {
		return secret.String{}, errNoTerminal
	}
	restore, err := hideEcho(int(s.In.Fd()))
	if err != nil {
		return secret.String{}, fmt.Errorf("turn off the terminal's echo: %w", err)
	}
	fmt.Fprint(s.Err, prompt)
	line, err := unlessInterrupted(ctx, s.readLine)
	err = errors.Join(err, restore(errors.Is(err, errInterrupted)))
	fmt.Fprintln(s.Err)
	if err != nil {
		return secret.String{}, unread(err)
	}
	defer clear(line)
	return secret.NewString(string(line)), nil
}

// askLine shows a prompt and reads a line with echo: for typing back what stands on the same screen. It ends with ctx as askSecret does.
func (s *Stdio) askLine(ctx context.Context, prompt string) (string, error) {
	if !s.interactive() {
		return "", errNoTerminal
	}
	fmt.Fprint(s.Err, prompt)
	line, err := unlessInterrupted(ctx, s.readLine)
	if err != nil {
		fmt.Fprintln(s.Err)
		return "", unread(err)
	}
	return strings.TrimSpace(string(line)), nil
}

func unread(err error) error {
	if errors.Is(err, errInterrupted) {
		return err
	}
	return fmt.Errorf("read from the terminal: %w", err)
}

// maxLine bounds an answer in bytes.
const maxLine = 4096

// readLine reads up to the end of a line and not a byte further: what was typed ahead answers the next question.
func (s *Stdio) readLine() ([]byte, error) {
	line := make([]byte, 0, maxLine)
	var one [1]byte
	for {
		n, err := s.In.Read(one[:])
		switch {
		case n > 0 && one[0] == '\n':
			return bytes.TrimSuffix(line, []byte("\r")), nil
		case n > 0 && len(line) == maxLine:
			return nil, fmt.Errorf("the answer is longer than %d bytes", maxLine)
		case n > 0:
			line = append(line, one[0])
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		}
	}
}

// unlessInterrupted returns what read returns, or errInterrupted when ctx ends first. A read of a terminal or pipe cannot be called off: it is
// left behind and ends with the process.
func unlessInterrupted[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := read()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// printf writes to standard output; a reader that went away is not an error worth a word.
func (s *Stdio) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.Out, format, args...) }

// warn says what is wrong with a secret's file and stops nothing.
func (s *Stdio) warn(text string) {
	if s.warned != nil {
		s.warned(text)
		return
	}
	s.notef("warning: %s\n", text)
}

// notef writes to standard error.
func (s *Stdio) notef(format string, args ...any) { _, _ = fmt.Fprintf(s.Err, format, args...) }
