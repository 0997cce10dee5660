package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
)

// vaultFlags say which vault a command is about: one of a configuration file, or that of a quickstart folder.
type vaultFlags struct {
	Config string `help:"Configuration file that names the vault." type:"path" placeholder:"FILE" xor:"where"`
	Name   string `help:"Which vault of the configuration; not needed if there is one." placeholder:"NAME"`
	Dir    string `help:"Folder made by quickstart." type:"path" placeholder:"DIR" xor:"where"`

	etag       string      // what the configuration says of a vault still to be made
	configured unlockFlags // what the configuration says that serve opens the vault with
}

// open returns the vault, locked, and what closes its store. With readOnly it takes no lock on a folder, so that it works beside a
// running gateway.
func (f *vaultFlags) open(ctx context.Context, stdio *Stdio, readOnly bool) (*vaults.Vault, func() error, error) {
	hasher, err := vault.NewHasher(vault.DefaultCost())
	if err != nil {
		return nil, nil, err
	}
	switch {
	case f.Config != "":
		return f.openConfigured(ctx, stdio, hasher, readOnly)
	case f.Dir != "":
		return f.openQuickstart(ctx, stdio, hasher, readOnly)
	default:
		return nil, nil, usageError("say which vault: --config FILE, or --dir DIR for a quickstart folder")
	}
}

func (f *vaultFlags) openConfigured(ctx context.Context, stdio *Stdio, hasher *vault.Hasher, readOnly bool) (*vaults.Vault, func() error, error) {
	cfg, err := loadConfig(f.Config, stdio)
	if err != nil {
		return nil, nil, err
	}
	picked, err := pickVault(cfg, f.Name)
	if err != nil {
		return nil, nil, err
	}
	f.etag = picked.ETag
	f.configured = unlockFlags{KeyFile: picked.Unlock.KeyFile, PasswordFile: picked.Unlock.PasswordFile}
	log, err := newLogger(cfg, stdio)
	if err != nil {
		return nil, nil, err
	}
	opened, err := openStores(ctx, cfg, readOnly, nil, log, *picked)
	if err != nil {
		return nil, nil, err
	}
	return configuredVault(cfg, picked, opened, hasher, log), opened.close, nil
}

func (f *vaultFlags) openQuickstart(ctx context.Context, stdio *Stdio, hasher *vault.Hasher, readOnly bool) (*vaults.Vault, func() error, error) {
	log := quietLogger(stdio)
	store, _, err := openFolder(ctx, filepath.Join(f.Dir, "data"), false, readOnly, log)
	if err != nil {
		return nil, nil, err
	}
	return quickstartVault(f.Dir, store, hasher, log), store.Close, nil
}

type vaultCreateCommand struct {
	vaultFlags
	unlockFlags
	ETag string `name:"etag" help:"Which ETags clients see: md5 as S3, or opaque (lists never read tails). Default: what the configuration says, else md5." enum:"md5,opaque," default:""`
	Yes  bool   `help:"Do not ask to type the new key back."`
}

// Run makes the vault. The key is shown, and typed back, before anything is written.
func (c *vaultCreateCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	v, closeStore, err := c.vaultFlags.open(ctx, stdio, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	exists, err := v.Exists(ctx)
	if err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("vault %q: %w; it is left as it is", v.Name(), vaults.ErrVaultExists)
	}
	create := vaults.CreateOptions{ETag: vault.ETagPolicy(cmp.Or(c.ETag, c.etag, string(vault.ETagMD5)))}
	from, stillToWrite := c.source()
	if from.given() {
		unlock, err := from.read(ctx, stdio, "the new vault")
		if err != nil {
			return err
		}
		create.Key, create.Password = unlock.Key, unlock.Password
	}
	// Before a key is shown: nobody is to keep the key of a vault that is then refused.
	if err := v.CheckCreate(ctx, &create); err != nil {
		return err
	}
	if create.Key.IsZero() {
		create.Key = vault.NewRecoveryKey()
		if err := printNewKey(stdio, create.Key); err != nil {
			return err
		}
		if !c.Yes && stdio.interactive() {
			if err := askBack(ctx, stdio, create.Key); err != nil {
				return err
			}
		}
	}
	if err := v.Create(ctx, &create); err != nil {
		return err
	}
	stdio.printf("Vault %q is made.\n", v.Name())
	if stillToWrite != "" {
		stdio.printf("serve opens it with %s, which does not exist yet: put there what opens this vault.\n", stillToWrite)
	}
	return nil
}

// source is where the new vault's key or password comes from: the flags, else the file that serve will open it with. A vault that the configuration's
// own file does not open would be of no use. stillToWrite is that file, if it is not there.
func (c *vaultCreateCommand) source() (from *unlockFlags, stillToWrite string) {
	file := cmp.Or(c.configured.KeyFile, c.configured.PasswordFile)
	if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) {
		return &c.unlockFlags, file
	}
	if c.given() {
		return &c.unlockFlags, ""
	}
	return &c.configured, ""
}

type vaultStatusCommand struct {
	vaultFlags
	unlockFlags
}

// Run prints what the vault file says; without a key nothing of it is verified, and the output says so.
func (c *vaultStatusCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	v, closeStore, err := c.vaultFlags.open(ctx, stdio, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	file, err := v.Peek(ctx)
	if err != nil {
		return err
	}
	stdio.printf("vault       %s\ngeneration  %d\ncreated     %s\nnames       %s\netags       %s\n",
		file.ID(), file.Generation(), file.Created().Format("2006-01-02 15:04:05 MST"), file.Settings().Names, file.Settings().ETag)
	for _, s := range file.Slots() {
		stdio.printf("key slot    %s  %-9s %q, made %s\n", s.ID, s.Type, s.Label, s.Created.Format("2006-01-02 15:04:05 MST"))
	}
	if !c.given() {
		stdio.printf("verified    no: give --key-file or --password-file to check the file and see its buckets\n")
		return nil
	}
	unlock, err := c.unlockFlags.read(ctx, stdio, "the vault")
	if err != nil {
		return err
	}
	if err := v.Open(ctx, unlock); err != nil {
		return err
	}
	stdio.printf("verified    yes\n")
	buckets, err := vaults.NewSet(nil, v).Buckets(ctx)
	if err != nil {
		return err
	}
	for _, b := range buckets {
		if b.Damaged {
			stdio.printf("bucket      %s, whose record does not verify: put back an intact copy of its file below .sallyport/buckets/\n", b.Name)
			continue
		}
		stdio.printf("bucket      %s, made %s\n", b.Name, b.Created.UTC().Format("2006-01-02 15:04:05 MST"))
	}
	return nil
}

type vaultPasswdCommand struct {
	vaultFlags
	unlockFlags
	Label           string `help:"Which password: a new label adds one." default:"password"`
	NewPasswordFile string `help:"Read the new password from this file instead of asking." placeholder:"FILE"`
	NewPasswordFD   *uint  `name:"new-password-fd" help:"Read the new password from this open file descriptor." placeholder:"N"`
}

// Run adds the password, or changes it if there is one with that label.
func (c *vaultPasswdCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	if strings.TrimSpace(c.Label) == "" {
		return usageError("--label is empty: leave it out, or name the password, so that it can be told from others and changed later")
	}
	v, closeStore, err := c.vaultFlags.open(ctx, stdio, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	file, err := v.Peek(ctx)
	if err != nil {
		return err
	}
	replace := false
	for _, s := range file.Slots() {
		replace = replace || s.Type == vault.SlotPassword && s.Label == c.Label
	}
	// Nobody is to think up a new password, and type it twice, to be told then that the old one is wrong.
	unlock, err := c.untilRight(ctx, stdio, "the vault", func(unlock vaults.Unlock) error { return v.Verify(ctx, unlock) })
	if err != nil {
		return err
	}
	password, err := c.newPassword(ctx, stdio)
	if err != nil {
		return err
	}
	if err := v.SetPassword(ctx, unlock, password, c.Label, replace); err != nil {
		return err
	}
	if replace {
		stdio.printf("The password %q is changed. The old one opens nothing written from now on; a copy of the old vault file that somebody\n"+
			"took earlier still opens with it, and with that all that was written before.\n", c.Label)
		if c.Dir != "" {
			stdio.printf("Quickstart's S3 access key is a new one: it prints it when it is started again.\n")
		}
		return nil
	}
	stdio.printf("The password %q is added; the 64-digit key and other passwords work as before.\n", c.Label)
	return nil
}

func (c *vaultPasswdCommand) newPassword(ctx context.Context, stdio *Stdio) (secret.String, error) {
	switch {
	case c.NewPasswordFile != "" && c.NewPasswordFD != nil:
		return secret.String{}, usageError("give only one of --new-password-file and --new-password-fd")
	case c.NewPasswordFile != "":
		value, warning, err := secret.ReadFile(c.NewPasswordFile)
		if err != nil {
			return secret.String{}, usageError(err.Error())
		}
		if warning != "" {
			stdio.warn(warning)
		}
		return value.Text(), nil
	case c.NewPasswordFD != nil:
		value, err := readFD(ctx, *c.NewPasswordFD)
		if err != nil && !errors.Is(err, errInterrupted) {
			err = usageError(err.Error())
		}
		return value.Text(), err
	}
	first, err := askNewPassword(ctx, stdio)
	if errors.Is(err, errNoTerminal) {
		return secret.String{}, usageError("the new password must be asked for, and there is no terminal: give --new-password-file or --new-password-fd")
	}
	if err != nil {
		return secret.String{}, err
	}
	again, err := stdio.askSecret(ctx, "New password again: ")
	if err != nil {
		return secret.String{}, err
	}
	if !first.Equal(again) {
		return secret.String{}, errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

// askNewPassword asks once, not yet a second time to be sure. What is too easy to guess is refused here: nobody is to type it twice in vain.
func askNewPassword(ctx context.Context, stdio *Stdio) (secret.String, error) {
	for try := 1; ; try++ {
		password, err := stdio.askSecret(ctx, "New password (or press Enter to have one suggested): ")
		if err != nil {
			return secret.String{}, err
		}
		if password.IsZero() {
			password = vault.SuggestPassphrase()
			stdio.notef("Suggested password: %s\n", password.Reveal())
		}
		err = vault.CheckPassword(password)
		if err == nil || try == unlockTries {
			return password, err
		}
		stdio.notef("%v\n", err)
	}
}
