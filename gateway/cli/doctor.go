package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"time"

	"sallyport/config"
	"sallyport/crypto/vault"
	"sallyport/gateway"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/local"
	"sallyport/providers/probe"
	"sallyport/providers/s3"
)

type doctorCommand struct {
	Config string `help:"Configuration file." required:"" type:"path" placeholder:"FILE"`
}

// Run tries everything and prints a line for each. It stores nothing but probe objects, which it removes; a folder that is empty becomes a
// root, as serve would make it.
func (c *doctorCommand) Run(ctx context.Context, stdio *Stdio) error {
	d := &doctor{stdio: stdio, log: quietLogger(stdio)}
	// What serve warns of is a finding here, so that it stands in the report, wherever that goes.
	findings := *stdio
	findings.warned = func(text string) {
		d.report("permissions", probe.Lacking, text, "who can read a secret can do what it is for")
	}
	d.stdio = &findings
	cfg, err := loadConfig(c.Config, d.stdio)
	if err != nil {
		return err
	}
	d.cfg = cfg
	d.report("configuration", probe.OK, fmt.Sprintf("%d provider(s), %d vault(s), %d credential(s)", len(cfg.Providers), len(cfg.Vaults), len(cfg.Credentials)), "")
	d.credentials()
	d.stateDir()
	d.certificate(time.Now())
	d.ports()
	for i := range cfg.Vaults {
		d.vault(ctx, &cfg.Vaults[i])
	}
	if d.failed > 0 {
		return fmt.Errorf("%d thing(s) need attention; they are marked FAILED above", d.failed)
	}
	return nil
}

// doctor examines one configuration and counts what is wrong.
type doctor struct {
	cfg    *config.Config
	stdio  *Stdio
	log    *slog.Logger
	failed int
}

// report prints one line, and what follows from it on a second.
func (d *doctor) report(subject string, verdict probe.Verdict, seen, means string) {
	d.stdio.printf("%-20s %-7s %s\n", subject, verdict, seen)
	if means != "" {
		d.stdio.printf("%-20s         so: %s\n", "", means)
	}
	if verdict == probe.Failed {
		d.failed++
	}
}

func (d *doctor) fail(subject string, err error, means string) {
	d.report(subject, probe.Failed, err.Error(), means)
}

func (d *doctor) credentials() {
	if _, err := configuredCredentials(d.cfg, d.stdio); err != nil {
		d.fail("credentials", err, "the gateway does not start")
		return
	}
	d.report("credentials", probe.OK, "every secret can be read", "")
}

func (d *doctor) stateDir() {
	err := os.MkdirAll(d.cfg.StateDir, 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(d.cfg.StateDir, ".doctor-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		d.fail("state_dir", err, "an older vault file brought back by somebody would not be noticed; a gateway with anything new to remember does not start")
		return
	}
	d.report("state_dir", probe.OK, d.cfg.StateDir+" can be written", "")
	if mode := modeOf(d.cfg.StateDir); mode&0o022 != 0 {
		d.report("permissions", probe.Lacking, fmt.Sprintf("others can write in %s (mode %04o); run: chmod 700 %[1]s", d.cfg.StateDir, mode),
			"they can make this gateway forget which vault file is the newest, and take an older one")
	}
}

// modeOf returns the permissions of a file, and 0 where they are no bits or cannot be seen.
func modeOf(path string) fs.FileMode {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" {
		return 0
	}
	return info.Mode().Perm()
}

// certificateLeft is when a certificate that is not renewed by itself should be.
const certificateLeft = 14 * 24 * time.Hour

func (d *doctor) certificate(now time.Time) {
	t := d.cfg.Listen.TLS
	if t == nil {
		d.report("tls", probe.Lacking, "none is configured", "clients on this machine only, or a proxy in front does TLS; SSE-C needs TLS")
		return
	}
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		d.fail("tls", fmt.Errorf("certificate %s and key %s: %w", t.CertFile, t.KeyFile, err), "the gateway does not start")
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.fail("tls", err, "no client can connect")
		return
	}
	if mode := modeOf(t.KeyFile); mode&0o044 != 0 {
		d.report("permissions", probe.Lacking, fmt.Sprintf("other users of this machine can read the private key in %s (mode %04o); run: chmod 600 %[1]s", t.KeyFile, mode),
			"they can pose as this gateway to its clients")
	}
	until := "until " + leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.Before(leaf.NotBefore):
		d.report("tls", probe.Failed, "the certificate is valid from "+leaf.NotBefore.UTC().Format(time.DateOnly)+" on only", "clients refuse it, or this machine's clock is wrong")
	case now.After(leaf.NotAfter):
		d.report("tls", probe.Failed, "the certificate was valid "+until, "clients refuse it; renew it, the files are read again by themselves")
	case leaf.NotAfter.Sub(now) < certificateLeft:
		d.report("tls", probe.Lacking, "the certificate is valid "+until, "renew it soon; the files are read again by themselves")
	default:
		d.report("tls", probe.OK, "the certificate is valid "+until, "")
	}
	for _, domain := range d.cfg.Domains {
		if err := errors.Join(leaf.VerifyHostname(domain), leaf.VerifyHostname("bucket."+domain)); err != nil {
			d.report("tls", probe.Failed, err.Error(), "clients refuse it for "+domain+" and its buckets; it must name both "+domain+" and *."+domain)
		}
	}
}

func (d *doctor) ports() {
	d.port("listen", d.cfg.Listen.Address)
	if d.cfg.Admin.Address != "" {
		d.port("admin", d.cfg.Admin.Address)
	}
}

func (d *doctor) port(subject, address string) {
	socket, err := gateway.Bind(address, nil)
	if err != nil {
		d.report(subject, probe.Lacking, err.Error(), "if it is the gateway that has the port, all is well; else the gateway does not start")
		return
	}
	_ = socket.Close()
	d.report(subject, probe.OK, address+" is free", "")
}

// vault examines a vault and the storage it lies in.
func (d *doctor) vault(ctx context.Context, c *config.Vault) {
	subject := "provider " + c.Provider
	backend, readOnly, err := d.open(ctx, d.cfg.Providers[c.Provider])
	if err != nil {
		d.fail(subject, err, "the gateway does not start, and no vault of this configuration can be used")
		return
	}
	store := providers.Open(c.Provider, backend, &providers.StoreOptions{SingleGateway: c.SingleGateway})
	defer func() {
		if err := store.Close(); err != nil {
			d.fail(subject, err, "")
		}
	}()
	if readOnly {
		d.report(subject, probe.Lacking, "it is in use by a running gateway", "nothing was written to try it; stop the gateway to have it tried")
	} else {
		d.storage(ctx, subject, backend, c.SingleGateway)
	}
	d.keys(ctx, c, store)
}

// open opens a provider, without its lock if another process has it.
func (d *doctor) open(ctx context.Context, p config.Provider) (backend driver.Driver, readOnly bool, err error) {
	backend, err = registry(false, d.log).Open(ctx, p.Type, p.Decode)
	// Only a folder has one user at a time; a service that answers with a conflict has failed.
	if err != nil && p.Type == "local" && driver.KindOf(err) == driver.Conflict {
		backend, err = registry(true, d.log).Open(ctx, p.Type, p.Decode)
		return backend, true, err
	}
	return backend, false, err
}

func (d *doctor) storage(ctx context.Context, subject string, backend driver.Driver, single bool) {
	if folder, ok := backend.(*local.Folder); ok {
		d.folder(subject, folder.Probe())
	}
	if bucket, ok := backend.(*s3.Bucket); ok && bucket.Probe().Versioned {
		d.report(subject, probe.Lacking, "the bucket keeps versions", "what is deleted or overwritten goes on costing space until a lifecycle rule for noncurrent versions removes it")
	}
	if bucket, ok := backend.(*s3.Bucket); ok {
		found := bucket.Probe()
		for _, refused := range found.RefusedNames() {
			d.report(subject, probe.Lacking, "not every name is held exactly", refused)
		}
		d.rules(ctx, subject, bucket)
	}
	found, err := probe.Run(ctx, backend)
	for _, f := range found {
		seen := f.Question
		if f.Seen != "" {
			seen += ": " + f.Seen
		}
		d.report(subject, f.Verdict, seen, f.Means)
	}
	if err != nil {
		d.fail(subject, err, "the rest could not be tried")
		return
	}
	caps := backend.Capabilities()
	_, folder := backend.(*local.Folder)
	switch {
	case folder:
		d.report(subject, probe.OK, "one gateway at a time: a second one on the same folder is refused", "")
	case caps.PutIfNoneMatch && caps.PutIfMatch && caps.CompleteIfNoneMatch && caps.CompleteIfMatch && caps.StrongList:
		d.report(subject, probe.OK, "several gateways may share it", "")
	case single:
		d.report(subject, probe.OK, "one gateway, as single_gateway: true promises", "")
	default:
		d.report(subject, probe.Lacking, "conditions or lists are weaker than several gateways need", "run one gateway on it, and say so with single_gateway: true")
	}
}

// rules says what the bucket itself will do to what is stored in it.
func (d *doctor) rules(ctx context.Context, subject string, bucket *s3.Bucket) {
	found, err := bucket.HarmfulRules(ctx)
	if err != nil {
		d.report(subject, probe.Lacking, fmt.Sprintf("its lifecycle rules could not be looked at: %v", err), "see for yourself that none deletes or archives objects below the prefix")
		return
	}
	for _, r := range found {
		verdict := probe.Lacking
		if r.Deletes {
			verdict = probe.Failed
		}
		d.report(subject, verdict, fmt.Sprintf("lifecycle rule %q %s", r.ID, r.Does), r.Remedy)
	}
	if len(found) == 0 {
		d.report(subject, probe.OK, "no lifecycle rule takes away what is stored", "")
	}
}

// folder says what acknowledgements of a folder are worth.
func (d *doctor) folder(subject string, found local.Probe) {
	verdict := probe.OK
	if found.Class != local.ClassDurable {
		verdict = probe.Lacking
	}
	d.report(subject, verdict, fmt.Sprintf("durability: %s, on %s, %d of %d MiB free", found.Class, found.FileSystem, found.Free>>20, found.Total>>20), "")
	for _, warning := range found.Warnings {
		d.report(subject, probe.Lacking, warning, "")
	}
}

// keys looks at the vault file, and opens it if the configuration says how.
func (d *doctor) keys(ctx context.Context, c *config.Vault, store *providers.Store) {
	subject := "vault " + c.Name
	hasher, err := vault.NewHasher(vault.DefaultCost())
	if err != nil {
		d.fail(subject, err, "")
		return
	}
	v := configuredVault(d.cfg, c, &stores{byName: map[string]*providers.Store{c.Provider: store}}, hasher, d.log)
	exists, err := v.Exists(ctx)
	switch {
	case err != nil:
		d.fail(subject, err, "the gateway does not start")
		return
	case !exists:
		d.report(subject, probe.Failed, "there is no vault file", "the gateway does not start; make the vault with vault create, or put its file back")
		return
	case c.Unlock == (config.Unlock{}):
		d.report(subject, probe.OK, "the vault file is there; no key is configured, so it was not verified", "")
		return
	}
	unlock, err := configuredUnlock(ctx, d.stdio, d.cfg, c)
	if err == nil {
		err = v.Open(ctx, unlock)
	}
	if err != nil {
		d.fail(subject, err, "the gateway does not start")
		return
	}
	generation, _ := v.Generation()
	v.Lock()
	d.report(subject, probe.OK, fmt.Sprintf("opens; vault file number %d", generation), "")
}
