package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/config/secret"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/jobs"
	"sallyport/gateway/vaults"
)

// objectKeyFlags say what opens single files and trees of files: a vault's key or password, a customer's key, or both.
type objectKeyFlags struct {
	unlockFlags
	VaultFile       string   `help:"The vault file, or a folder that holds it. Default: searched in .sallyport/vault beside the file and in the folders above." type:"path" placeholder:"FILE"`
	CustomerKeyFile []string `help:"Read the client's own key (SSE-C) from this file: 32 raw bytes, 64 hex digits or base64. Where clients used several keys give it for each; the one that fits is taken." type:"path" sep:"none" placeholder:"FILE"`
}

// keyring opens the vault nearest to path, unless only a customer key was given. Asking happens only if ask is set.
func (f *objectKeyFlags) keyring(ctx context.Context, stdio *Stdio, path string, ask bool) (*jobs.Keyring, error) {
	ring, err := f.customerKeyring(stdio)
	if err != nil || !f.given() && (len(ring.Customers) > 0 || !ask) {
		return ring, err
	}
	file, err := f.vaultFile(path)
	if err != nil {
		return nil, err
	}
	_, err = f.untilRight(ctx, stdio, "vault "+file.ID().String(), func(unlock vaults.Unlock) (err error) {
		ring.Vault, err = openVaultFile(ctx, file, unlock)
		return err
	})
	return ring, err
}

// vaultFile returns the vault file that was named, or else the nearest to path.
func (f *objectKeyFlags) vaultFile(path string) (*vault.File, error) {
	if f.VaultFile == "" {
		return jobs.FindVaultFile(path)
	}
	file, err := jobs.NamedVaultFile(f.VaultFile)
	if err != nil {
		return nil, fmt.Errorf("--vault-file: %w", err)
	}
	return file, nil
}

// keyringFor is keyring for one file. What stands in clear in it says whose key it needs: no vault opens a file that a client's own key sealed,
// and none is looked for or asked about then.
func (f *objectKeyFlags) keyringFor(ctx context.Context, stdio *Stdio, path string, in *object.Inspection, ask bool) (*jobs.Keyring, error) {
	if !isCustomers(in) {
		return f.keyring(ctx, stdio, path, ask)
	}
	ring, err := f.customerKeyring(stdio)
	if err != nil {
		return nil, err
	}
	if len(ring.Customers) == 0 && (ask || f.given()) {
		return nil, usageError(fmt.Sprintf("%s was %v: give --customer-key-file with that key; no vault opens it", path, jobs.ErrNeedsCustomerKey))
	}
	if f.VaultFile != "" {
		file, err := f.vaultFile(path)
		if err != nil {
			return nil, err
		}
		ring.Of = object.VaultID(file.ID())
	}
	return ring, nil
}

// isCustomers reports whether the file says that it needs a client's own key. Its end decides, and its beginning where the end is lost.
func isCustomers(in *object.Inspection) bool {
	if in.Tail != nil {
		return in.Tail.Mode == object.ModeCustomer
	}
	return in.Frame != nil && in.Frame.Mode == object.ModeCustomer
}

// customerKeyring returns a keyring with the customers' keys that were given.
func (f *objectKeyFlags) customerKeyring(stdio *Stdio) (*jobs.Keyring, error) {
	ring := &jobs.Keyring{}
	for _, file := range f.CustomerKeyFile {
		value, warning, err := secret.ReadBinaryFile(file)
		if err != nil {
			return nil, usageError(err.Error())
		}
		if warning != "" {
			stdio.warn(warning)
		}
		key, err := jobs.ParseCustomerKey(value.Reveal())
		value.Clear()
		if err != nil {
			return nil, usageError(fmt.Sprintf("%s: %v", file, err))
		}
		ring.Customers = append(ring.Customers, key)
	}
	return ring, nil
}

func openVaultFile(ctx context.Context, file *vault.File, unlock vaults.Unlock) (*vault.Opened, error) {
	if !unlock.Key.IsZero() {
		return file.OpenWithRecoveryKey(unlock.Key)
	}
	hasher, err := vault.NewHasher(vault.DefaultCost())
	if err != nil {
		return nil, err
	}
	return file.OpenWithPassword(ctx, hasher, unlock.Password)
}

func openRegular(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

type objectInspectCommand struct {
	objectKeyFlags
	File string `arg:"" help:"The encrypted file." type:"path"`
}

// Run prints what stands in clear, then, with a key, what was verified.
func (c *objectInspectCommand) Run(ctx context.Context, stdio *Stdio) error {
	f, size, err := openRegular(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in, err := object.Inspect(f, size)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", c.File, err)
	}
	if in.Tail == nil && in.Frame == nil {
		return fmt.Errorf("inspect %s: %w: neither its first nor its last bytes are Sallyport's", c.File, object.ErrForeign)
	}
	printClear(stdio, in)
	ring, err := c.keyringFor(ctx, stdio, c.File, in, false)
	if err != nil {
		return err
	}
	if ring.Vault == nil && len(ring.Customers) == 0 {
		stdio.printf("verified    no: give --key-file, --password-file or --customer-key-file to check it and see the rest\n")
		return nil
	}
	opened, err := jobs.OpenFile(f, size, ring)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", c.File, explain(err))
	}
	printSealed(stdio, opened)
	return nil
}

func printClear(stdio *Stdio, in *object.Inspection) {
	stdio.printf("size        %d\n", in.Size)
	stdio.printf("plaintext   %s\n", plainClaim(in))
	switch {
	case in.Tail != nil:
		stdio.printf("vault       %s\nkey         %s\n", in.Tail.VaultID, keyOwner(in.Tail.Mode, in.Tail.Epoch))
	case in.Frame != nil:
		stdio.printf("tail        %v\nkey         %s\n", in.TailErr, keyOwner(in.Frame.Mode, in.Frame.Epoch))
	}
	if in.Frame == nil {
		stdio.printf("frame       %v\n", in.FrameErr)
	}
}

// plainClaim says how long the plaintext is as far as that shows without a key. Most sizes are those of some whole object, so the size of a file
// that was cut tells nothing; and only of an object sent in one piece does the beginning tell the whole length.
func plainClaim(in *object.Inspection) string {
	single := in.Frame != nil && in.Frame.Part == 0
	switch {
	case in.Tail == nil && single:
		return fmt.Sprintf("uncertain: the file's end is missing or altered; its beginning says %d bytes: try sallyport object salvage", in.Frame.Plain)
	case in.Tail == nil:
		return "unknown: the file's end is missing or altered: try sallyport object salvage"
	case !in.Canonical:
		return "unknown: no whole object has this size, so the file is cut or extended"
	case single && in.Frame.Plain != in.Plain:
		return fmt.Sprintf("uncertain: %d bytes by the file's size, and %d by its beginning: the file was altered", in.Plain, in.Frame.Plain)
	case in.Frame == nil:
		return fmt.Sprintf("%d bytes, by the file's size; its beginning is damaged: try sallyport object salvage", in.Plain)
	default:
		return fmt.Sprintf("%d bytes, by the file's size", in.Plain)
	}
}

func keyOwner(mode object.Mode, epoch uint32) string {
	if mode == object.ModeCustomer {
		return "the client's own (SSE-C)"
	}
	return fmt.Sprintf("the vault's, epoch %d", epoch)
}

func printSealed(stdio *Stdio, f *object.File) {
	m := f.Metadata
	stdio.printf("verified    yes, the tail; object decrypt verifies the content\nbucket      %s\nkey         %q\nplaintext   %d bytes\nmodified    %s\n",
		printable(m.Bucket), m.Key, m.Plain, m.Time.UTC().Format("2006-01-02 15:04:05.000 MST"))
	if m.ETag != "" {
		stdio.printf("etag        %s\n", m.ETag)
	}
	if m.Checksum != nil {
		stdio.printf("checksum    %s %s %s\n", m.Checksum.Algorithm, m.Checksum.Type, m.Checksum.Value)
	}
	for _, name := range sortedNames(m.Headers) {
		stdio.printf("header      %s: %q\n", name, m.Headers[name])
	}
	for _, name := range sortedNames(m.UserMetadata) {
		stdio.printf("metadata    %s: %q\n", name, m.UserMetadata[name])
	}
	for _, e := range f.Table {
		stdio.printf("part        %d, %d bytes\n", e.Part, e.Plain)
	}
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// explain adds what to do to errors that lie in the key.
func explain(err error) error {
	switch {
	case errors.Is(err, object.ErrWrongKey):
		return fmt.Errorf("%w, or its last bytes were altered: is it the right key and vault file?", err)
	case errors.Is(err, object.ErrDamaged), errors.Is(err, object.ErrForeign):
		return fmt.Errorf("%w; object salvage may get a part of it", err)
	case errors.Is(err, jobs.ErrNeedsCustomerKey):
		return fmt.Errorf("%w: give --customer-key-file", err)
	case errors.Is(err, jobs.ErrOtherCustomerKey):
		return fmt.Errorf("%w: give --customer-key-file with the key its client used for this object", err)
	case errors.Is(err, jobs.ErrNeedsVault):
		return fmt.Errorf("%w: give --key-file or --password-file", err)
	case errors.Is(err, jobs.ErrOtherVault):
		return fmt.Errorf("%w: give the vault file of that one with --vault-file, and its key; a file sealed with a client's own key (SSE-C) needs no more than that key and sallyport object decrypt", err)
	case errors.Is(err, jobs.ErrOlderVaultFile):
		return fmt.Errorf("%w: give the newest one with --vault-file; it is in .sallyport/vault of the root, and a copy in the gateway's state directory", err)
	}
	return err
}

type objectDecryptCommand struct {
	objectKeyFlags
	File string `arg:"" help:"The encrypted file." type:"path"`
	To   string `help:"Where to write. Default: the last part of the object's key, in this folder." type:"path" placeholder:"FILE"`
}

// Run decrypts the file; its name and folder do not matter.
func (c *objectDecryptCommand) Run(ctx context.Context, stdio *Stdio) error {
	if err := noStdout(c.To); err != nil {
		return err
	}
	f, size, err := openRegular(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in, err := object.Inspect(f, size)
	if err != nil {
		return fmt.Errorf("look into %s: %w", c.File, err)
	}
	ring, err := c.keyringFor(ctx, stdio, c.File, in, true)
	if err != nil {
		return err
	}
	opened, err := jobs.OpenFile(f, size, ring)
	if err != nil {
		return fmt.Errorf("decrypt %s: %w", c.File, explain(err))
	}
	to := c.To
	if to == "" {
		if to, err = defaultName(opened.Metadata.Key); err != nil {
			return err
		}
	}
	if err := jobs.DecryptFile(ctx, opened, to); err != nil {
		return explain(err)
	}
	stdio.printf("object %q in bucket %q: %d bytes, verified, written to %s\n", opened.Metadata.Key, opened.Metadata.Bucket, opened.Metadata.Plain, to)
	return nil
}

// defaultName takes the last part of a key as a file name only where it is plainly one.
func defaultName(key string) (string, error) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if name == "" || len(name) > 255 || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.HasPrefix(name, "-") ||
		strings.ContainsAny(name, "\\:") || strings.TrimSpace(name) != name || printable(name) != name || !filepath.IsLocal(name) {
		return "", usageError(fmt.Sprintf("the object's key %q does not make a file name: give --to FILE", key))
	}
	return name, nil
}

// noStdout refuses the name that means standard output elsewhere.
func noStdout(to string) error {
	if to == "-" {
		return usageError("--to -: nothing is written to standard output, which would get plaintext before all of it is verified; a file of that name is ./-")
	}
	return nil
}

type objectSalvageCommand struct {
	objectKeyFlags
	File string `arg:"" help:"The damaged file." type:"path"`
	To   string `help:"Where to write what can be had." type:"path" required:"" placeholder:"FILE"`
}

// Run writes what verifies, zeros for what does not, and says where they are. It fails when anything is known to be missing.
func (c *objectSalvageCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	if err := noStdout(c.To); err != nil {
		return err
	}
	if len(c.CustomerKeyFile) > 1 {
		return usageError("give one --customer-key-file: what fits one key may be left of another object, so salvage does not try several")
	}
	f, size, err := openRegular(c.File)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	in, err := jobs.InspectDamaged(f, size)
	if err != nil {
		return fmt.Errorf("look into %s: %w", c.File, err)
	}
	if in.Frame != nil {
		in.Tail = nil // salvage does not use it, because it may be what is damaged
	}
	ring, err := c.keyringFor(ctx, stdio, c.File, in, true)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is left alone: choose another name with --to", c.To)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	report, err := jobs.Salvage(f, size, ring.VaultID(), ring, writerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return out.Write(p)
	}))
	if report.Unreadable > 0 {
		stdio.printf("unreadable: %d bytes of %s: %s\n", report.Unreadable, c.File, printable(report.ReadErr.Error()))
	}
	switch {
	case err != nil && report.Size == 0:
		return errors.Join(err, os.Remove(c.To))
	case err != nil:
		return fmt.Errorf("%w; the %d bytes written so far stay in %s", err, report.Size, c.To)
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("salvage: write: %w", err)
	}
	return c.print(stdio, report)
}

type writerFunc func(p []byte) (int, error)

// Write implements io.Writer.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// partRanges lists ascending numbers, three and more in a row as a range: of an upload with a part 10000 alone, 9999 may be missing.
func partRanges(numbers []int) string {
	var all []string
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+n {
			n++
		}
		if n < 3 {
			n = 1
			all = append(all, strconv.Itoa(numbers[0]))
		} else {
			all = append(all, fmt.Sprintf("%d-%d", numbers[0], numbers[n-1]))
		}
		numbers = numbers[n:]
	}
	return strings.Join(all, " ")
}

// print says what was found, and fails if anything is known to be missing.
func (c *objectSalvageCommand) print(stdio *Stdio, r *jobs.SalvageReport) error {
	from := fmt.Sprintf("from parts [%s]", partRanges(r.Parts))
	if len(r.Parts) == 1 && r.Parts[0] == 0 {
		from = "from an object sent in one piece"
	}
	stdio.printf("%d bytes written to %s, %s\n", r.Size, c.To, from)
	for _, g := range r.Gaps {
		stdio.printf("lost: %d bytes at %d (part %d); zeros stand there\n", g.Length, g.Offset, g.Part)
	}
	switch {
	case len(r.Missing) > 0 && r.Listed:
		stdio.printf("lost: parts [%s]; the next one follows at once where they would be\n", partRanges(r.Missing))
	case len(r.Missing) > 0:
		stdio.printf("lost, or never sent, as a client may leave numbers out: parts [%s]; the next one follows at once where they would be\n", partRanges(r.Missing))
	}
	for _, e := range r.Skipped {
		stdio.printf("skipped: %v\n", e)
	}
	if r.MoreSkipped > 0 {
		stdio.printf("skipped: %d more\n", r.MoreSkipped)
	}
	switch {
	case r.Whole:
		stdio.printf("Nothing is missing: its tail and table are intact and account for all of it. sallyport object decrypt writes this file too, unless its padding is altered.\n")
	case r.Complete():
		stdio.printf("Nothing is known to be missing; only with its tail and table could that be said for certain.\n")
	default:
		return errors.New("the file is not complete, or that cannot be said: the lines above say why")
	}
	return nil
}
