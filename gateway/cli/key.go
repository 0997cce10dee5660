package cli

import (
	"fmt"

	"sallyport/crypto/vault"
)

type keyNewCommand struct{}

// Run prints a fresh key and nothing else on standard output, so that it can be redirected into a file; the warning goes to standard error.
func (keyNewCommand) Run(stdio *Stdio) error {
	if _, err := fmt.Fprintf(stdio.Out, "%s\n", vault.NewRecoveryKey().Reveal()); err != nil {
		return fmt.Errorf("print the key: %w", err)
	}
	stdio.notef("%s", losingIt)
	return nil
}
