package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
)

// unlockFlags say where a vault's password or 64-digit key comes from; without any of them it is asked for. Secrets never come from
// arguments, which every user of the machine can read.
type unlockFlags struct {
	KeyFile      string `help:"Read the 64-digit key from this file." placeholder:"FILE"`
	KeyFD        *uint  `name:"key-fd" help:"Read the 64-digit key from this open file descriptor." placeholder:"N"`
	PasswordFile string `help:"Read the password from this file." placeholder:"FILE"`
	PasswordFD   *uint  `name:"password-fd" help:"Read the password from this open file descriptor." placeholder:"N"`
}

func (f *unlockFlags) given() bool {
	return f.KeyFile != "" || f.KeyFD != nil || f.PasswordFile != "" || f.PasswordFD != nil
}

// read returns what opens the vault, asking at the terminal when no flag says where it is.
func (f *unlockFlags) read(ctx context.Context, stdio *Stdio, what string) (vaults.Unlock, error) {
	sources := 0
	for _, on := range []bool{f.KeyFile != "", f.KeyFD != nil, f.PasswordFile != "", f.PasswordFD != nil} {
		if on {
			sources++
		}
	}
	switch {
	case sources > 1:
		return vaults.Unlock{}, usageError("give only one of --key-file, --key-fd, --password-file and --password-fd")
	case sources == 0:
		return ask(ctx, stdio, what, "give --key-file, --key-fd, --password-file or --password-fd")
	}
	value, isKey, err := f.readSource(ctx, stdio)
	if errors.Is(err, errInterrupted) {
		return vaults.Unlock{}, err
	}
	if err != nil {
		return vaults.Unlock{}, usageError(err.Error())
	}
	defer value.Clear()
	if !isKey {
		return vaults.Unlock{Password: value.Text()}, nil
	}
	key, err := vault.ParseRecoveryKey(value.Text().Reveal())
	if err != nil {
		return vaults.Unlock{}, usageError(err.Error())
	}
	return vaults.Unlock{Key: key}, nil
}

func (f *unlockFlags) readSource(ctx context.Context, stdio *Stdio) (value secret.Bytes, isKey bool, err error) {
	var warning string
	switch {
	case f.KeyFile != "":
		value, warning, err = secret.ReadFile(f.KeyFile)
		isKey = true
	case f.KeyFD != nil:
		value, err = readFD(ctx, *f.KeyFD)
		isKey = true
	case f.PasswordFile != "":
		value, warning, err = secret.ReadFile(f.PasswordFile)
	default:
		value, err = readFD(ctx, *f.PasswordFD)
	}
	if warning != "" {
		stdio.warn(warning)
	}
	return value, isKey, err
}

// readFD reads a secret from a descriptor that this process was given, which may be a terminal or a pipe that nobody writes to.
func readFD(ctx context.Context, fd uint) (secret.Bytes, error) {
	if err := checkGiven(fd); err != nil {
		return secret.Bytes{}, err
	}
	return unlessInterrupted(ctx, func() (secret.Bytes, error) { return secret.ReadFD(uintptr(fd)) })
}

// ask takes either secret at one prompt: 64 hex digits are a key, anything else is a password. instead is what to do without a terminal.
func ask(ctx context.Context, stdio *Stdio, what, instead string) (vaults.Unlock, error) {
	answer, err := stdio.askSecret(ctx, fmt.Sprintf("64-digit key or password of %s: ", what))
	if errors.Is(err, errNoTerminal) {
		return vaults.Unlock{}, usageError(fmt.Sprintf("%s needs its 64-digit key or a password, and there is no terminal to ask at: %s", what, instead))
	}
	if err != nil {
		return vaults.Unlock{}, err
	}
	if key, err := vault.ParseRecoveryKey(answer.Reveal()); err == nil {
		return vaults.Unlock{Key: key}, nil
	}
	if strings.TrimSpace(answer.Reveal()) == "" {
		return vaults.Unlock{}, usageError("nothing was typed")
	}
	return vaults.Unlock{Password: answer}, nil
}

// unlockTries is how often a password or key may be typed.
const unlockTries = 3

// untilRight reads what opens the vault and has open try it. What was typed at a terminal may be typed again if it does not fit; what a flag names
// would be the same again.
func (f *unlockFlags) untilRight(ctx context.Context, stdio *Stdio, what string, open func(vaults.Unlock) error) (vaults.Unlock, error) {
	read := func() (vaults.Unlock, error) { return f.read(ctx, stdio, what) }
	return untilRight(stdio, !f.given(), read, open)
}

func untilRight(stdio *Stdio, typed bool, read func() (vaults.Unlock, error), open func(vaults.Unlock) error) (vaults.Unlock, error) {
	for try := 1; ; try++ {
		unlock, err := read()
		if err != nil {
			return vaults.Unlock{}, err
		}
		err = open(unlock)
		if err == nil || !typed || try == unlockTries || !errors.Is(err, vault.ErrWrongKey) {
			return unlock, err
		}
		stdio.notef("%v\n", err)
	}
}
