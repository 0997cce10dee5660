package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/jobs"
)

type recoverCommand struct {
	objectKeyFlags
	From string `help:"The root: the folder a vault keeps its files in (of quickstart: its data/), or any copy of it." type:"existingdir" required:"" placeholder:"DIR"`
	To   string `help:"Folder for the decrypted files; run again with the same one to go on." type:"path" required:"" placeholder:"DIR"`
}

// Help implements kong.HelpProvider.
func (c *recoverCommand) Help() string {
	return `Exit code 1 says that something was not restored: each such file has a line that says why. Among them is every file that lies where an
object would and holds nothing of Sallyport's: an object that was emptied or overwritten cannot be told from a file that somebody put there.
Files that lie where no object could are "foreign" and make no difference.`
}

// Run restores everything it can and fails if anything of Sallyport's could not be restored.
func (c *recoverCommand) Run(ctx context.Context, stdio *Stdio) error {
	if err := noStdout(c.To); err != nil {
		return err
	}
	if hint := c.rootBelow(); hint != "" {
		return usageError(fmt.Sprintf("%s is not a root, but %s is: give --from %s", c.From, hint, hint))
	}
	if err := c.apart(); err != nil {
		return err
	}
	ring, err := c.keyring(ctx, stdio, c.From, true)
	if err != nil {
		return err
	}
	if ring.Vault == nil {
		if err := c.know(stdio, ring); err != nil {
			return err
		}
	}
	progress, finish := showProgress(stdio, time.Now)
	report, err := jobs.Recover(ctx, &jobs.RecoverOptions{From: c.From, To: c.To, Keyring: ring, Progress: progress})
	finish()
	c.print(stdio, report)
	if err != nil {
		return err
	}
	return notRestored(len(report.Damaged), len(report.Unwritten), len(report.Locked))
}

// know tells the keyring which vault the root belongs to where nothing is given that opens it, so that a client's own key restores no file
// that came from elsewhere. A root whose vault file is lost is recovered as far as that key goes.
func (c *recoverCommand) know(stdio *Stdio, ring *jobs.Keyring) error {
	file, err := c.vaultFile(c.From)
	switch {
	case err == nil:
		ring.Of = object.VaultID(file.ID())
	case c.VaultFile != "":
		return err
	default:
		stdio.notef("warning: files of other vaults that this key opens are restored too, for it is not known which vault this root belongs to: %v\n", err)
	}
	return nil
}

// notRestored says what is to be done about files that were not restored; nil when there are none.
func notRestored(damaged, unwritten, locked int) error {
	text := fmt.Sprintf("%d files were not restored; they are named above", damaged+unwritten+locked)
	if damaged+unwritten+locked == 0 {
		return nil
	}
	if damaged > 0 {
		text += ". Damaged ones: look for another copy of the file, or try sallyport object salvage"
	}
	if unwritten > 0 {
		text += ". Those not written are intact as far as is known: mend what their lines say and run this again into the same folder"
	}
	if locked > 0 {
		text += ". Locked ones need another key or vault file: run this again into the same folder with what their lines ask for"
	}
	return errors.New(text)
}

// rootBelow finds the usual slip: the quickstart folder instead of its data/.
func (c *recoverCommand) rootBelow() string {
	below := filepath.Join(c.From, "data")
	if _, err := os.Stat(filepath.Join(c.From, ".sallyport")); err == nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(below, ".sallyport")); err != nil {
		return ""
	}
	return below
}

// apart refuses to mix plaintext and ciphertext in one tree, whichever of the two folders lies in the other.
func (c *recoverCommand) apart() error {
	from, err := realPath(c.From)
	if err != nil {
		return err
	}
	to, err := realPath(c.To)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(from, to); err == nil && filepath.IsLocal(rel) {
		return usageError(fmt.Sprintf("--to %s lies inside --from %s: decrypted files must not be put among the encrypted ones", c.To, c.From))
	}
	if rel, err := filepath.Rel(to, from); err == nil && filepath.IsLocal(rel) {
		return usageError(fmt.Sprintf("--from %s lies inside --to %s: decrypted files must not be put beside the encrypted ones", c.From, c.To))
	}
	return nil
}

// realPath resolves links as far as the path exists.
func realPath(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		return resolved, nil
	}
	parent := filepath.Dir(absolute)
	if parent == absolute {
		return absolute, nil
	}
	resolved, err := realPath(parent)
	return filepath.Join(resolved, filepath.Base(absolute)), err
}

func (c *recoverCommand) print(stdio *Stdio, r *jobs.RecoverReport) {
	line := func(kind string, p jobs.Problem, err error) {
		of := ""
		if p.Bucket != "" {
			of = fmt.Sprintf(" (object %q in bucket %q)", p.Key, p.Bucket)
		}
		stdio.printf("%-8s %q%s: %s\n", kind, p.Path, of, printable(err.Error()))
	}
	for _, p := range r.Renamed {
		line("renamed", p, p.Err)
	}
	for _, p := range r.Foreign {
		stdio.printf("foreign  %q: not Sallyport's, left alone\n", p)
	}
	for _, p := range r.Locked {
		line("locked", p, explain(p.Err))
	}
	for _, p := range r.Unwritten {
		line("UNWRITTEN", p, p.Err)
	}
	for _, p := range r.Damaged {
		line("DAMAGED", p, p.Err)
	}
	if r.Manifest == "" {
		return // it has not begun, as where --to cannot be written
	}
	stdio.printf("%d objects restored (%d bytes), %d were there already, %d damaged, %d not written, %d locked, %d foreign files. List: %s\n",
		r.Restored, r.Bytes, r.AlreadyThere, len(r.Damaged), len(r.Unwritten), len(r.Locked), len(r.Foreign), r.Manifest)
	if r.Strayed > 0 {
		stdio.printf("%d of the objects come from files that lie elsewhere than a gateway puts them, so that they may have been deleted since; the list names those files as their source.\n", r.Strayed)
	}
}
