package cli

import (
	"bufio"
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
}

// errNoTerminal means that something must be asked and nobody can be.
var errNoTerminal = errors.New("there is no terminal to ask at")

func (s *Stdio) interactive() bool {
	return s.In != nil && s.Err != nil && term.IsTerminal(int(s.In.Fd())) && term.IsTerminal(int(s.Err.Fd()))
}

// askSecret shows a prompt and reads a line without echo.
func (s *Stdio) askSecret(prompt string) (secret.String, error) {
	if !s.interactive() {
		return secret.String{}, errNoTerminal
	}
	fmt.Fprint(s.Err, prompt)
	line, err := term.ReadPassword(int(s.In.Fd()))
	fmt.Fprintln(s.Err)
	if err != nil {
		return secret.String{}, fmt.Errorf("read from the terminal: %w", err)
	}
	defer clear(line)
	return secret.NewString(string(line)), nil
}

// askLine shows a prompt and reads a line with echo: for typing back what stands on the same screen.
func (s *Stdio) askLine(prompt string) (string, error) {
	if !s.interactive() {
		return "", errNoTerminal
	}
	fmt.Fprint(s.Err, prompt)
	line, err := bufio.NewReader(io.LimitReader(s.In, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return "", fmt.Errorf("read from the terminal: %w", err)
	}
	return strings.TrimSpace(line), nil
}

// printf writes to standard output; a reader that went away is not an error worth a word.
func (s *Stdio) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.Out, format, args...) }

// notef writes to standard error.
func (s *Stdio) notef(format string, args ...any) { _, _ = fmt.Fprintf(s.Err, format, args...) }
