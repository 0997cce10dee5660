package cli

import "sallyport/crypto/vault"

type keyNewCommand struct{}

// Run prints a fresh key and nothing else on standard output, so that it can be redirected into a file; the warning goes to standard error.
func (keyNewCommand) Run(stdio *Stdio) error {
	stdio.printf("%s\n", vault.NewRecoveryKey().Reveal())
	stdio.notef("%s", losingIt)
	return nil
}
