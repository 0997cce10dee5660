package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"sallyport/config"
	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway"
	"sallyport/gateway/auth"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
)

type serveCommand struct {
	Config string `help:"Configuration file; sallyport config check explains what is wrong with one." required:"" type:"path" placeholder:"FILE"`
}

// Run opens every vault and serves until ctx ends. A vault that does not open keeps the gateway from starting: half of it would look like
// lost buckets.
func (c *serveCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	cfg, err := loadConfig(c.Config, stdio)
	if err != nil {
		return err
	}
	log, err := newLogger(cfg, stdio)
	if err != nil {
		return err
	}
	metrics := telemetry.NewMetrics(version())
	sockets, err := bind(cfg, log)
	if err != nil {
		return err
	}
	defer sockets.close()
	opened, err := openStores(ctx, cfg, false, metrics, log, cfg.Vaults...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.close()) }()
	all, err := openVaults(ctx, cfg, opened, metrics, log, stdio)
	if err != nil {
		return err
	}
	credentials, err := configuredCredentials(cfg, stdio)
	if err != nil {
		return err
	}
	proxies, err := trustedProxies(cfg)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // Argon2id's 256 MiB for each password would stay for minutes
	memory := ownMemory(int64(cfg.Limits.Memory), log)
	server := gateway.New(&gateway.Options{
		Vaults: all, Credentials: credentials, Region: cfg.Region, Domains: cfg.Domains, TrustedProxies: proxies, Socket: sockets.s3,
		Admin: sockets.admin, Pprof: cfg.Admin.Pprof, StateDir: cfg.StateDir, Sweepers: opened.sweepers, Health: opened.health,
		DrainDelay: cfg.Limits.DrainDelay, Drain: cfg.Limits.Drain, Memory: memory, Metrics: metrics, Log: log,
	})
	log.Info("serving S3", telemetry.Address(sockets.s3.URL()))
	stdio.announce("serving", sockets.s3)
	if sockets.admin != nil {
		log.Info("serving health and metrics", telemetry.Address(sockets.admin.URL()))
		stdio.announce("health and metrics at", sockets.admin)
	}
	return server.Run(ctx)
}

// announce prints an address that can be pasted, alone behind the words, and then where else it is reached.
func (s *Stdio) announce(what string, socket *gateway.Socket) {
	s.printf("%s %s\n", what, socket.LocalURL())
	if socket.Everywhere() {
		s.printf("  and on every other address of this machine: it listens on %s\n", socket.Addr())
	}
}

// announceStop says what a stop waits for, which is longer than somebody at a silent terminal does. The caller ends with done.
func announceStop(ctx context.Context, stdio *Stdio) (done func()) {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		stdio.notef("Stopping. Requests under way have %v to end; Ctrl-C again ends at once, and harms no stored object.\n", gateway.DefaultDrain)
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

// ownMemory finds out how much memory this process may take, and holds it to that.
func ownMemory(configured int64, log *slog.Logger) gateway.Memory {
	memory := gateway.FindMemory(configured, os.DirFS("/"))
	memory.Enforce()
	log.Info("memory that this gateway keeps within", telemetry.Bytes(memory.Bytes), telemetry.Reason(memory.Origin))
	return memory
}

// listeners are the open ports of a configuration.
type listeners struct{ s3, admin *gateway.Socket }

func (l *listeners) close() {
	for _, s := range []*gateway.Socket{l.s3, l.admin} {
		if s != nil {
			_ = s.Close() // the server closes it first after a clean stop
		}
	}
}

func bind(cfg *config.Config, log *slog.Logger) (*listeners, error) {
	var tlsConfig *tls.Config
	if t := cfg.Listen.TLS; t != nil {
		var err error
		if tlsConfig, err = gateway.TLSFromFiles(t.CertFile, t.KeyFile, log); err != nil {
			return nil, err
		}
	}
	l := &listeners{}
	var err error
	if l.s3, err = gateway.Bind(cfg.Listen.Address, tlsConfig); err != nil {
		return nil, err
	}
	if cfg.Admin.Address == "" {
		return l, nil
	}
	if l.admin, err = gateway.Bind(cfg.Admin.Address, nil); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func openVaults(ctx context.Context, cfg *config.Config, opened *stores, metrics *telemetry.Metrics, log *slog.Logger, stdio *Stdio) ([]*vaults.Vault, error) {
	hasher, err := vault.NewHasher(vault.DefaultCost())
	if err != nil {
		return nil, err
	}
	var all []*vaults.Vault
	for i := range cfg.Vaults {
		c := &cfg.Vaults[i]
		v := configuredVault(cfg, c, opened, hasher, log)
		// Nobody is asked for the key of a vault that is not there.
		if exists, err := v.Exists(ctx); err != nil {
			return nil, err
		} else if !exists {
			return nil, v.Open(ctx, vaults.Unlock{})
		}
		read := func() (vaults.Unlock, error) { return configuredUnlock(ctx, stdio, cfg, c) }
		if _, err := untilRight(stdio, c.Unlock == (config.Unlock{}), read, func(unlock vaults.Unlock) error { return v.Open(ctx, unlock) }); err != nil {
			return nil, err
		}
		if generation, ok := v.Generation(); ok {
			metrics.VaultOpened(c.Name, generation)
		}
		if renewable(cfg, c) {
			v.RenewBy(&vaults.Renewal{
				Unlock: func(ctx context.Context) (vaults.Unlock, error) { return configuredUnlock(ctx, stdio, cfg, c) },
				Done: func(generation uint64) {
					debug.FreeOSMemory()
					metrics.VaultOpened(c.Name, generation)
				},
			})
		}
		all = append(all, v)
	}
	return all, nil
}

// memoryForPasswords is the memory beside which Argon2id's 256 MiB have room when requests and caches hold all they may.
const memoryForPasswords = 768 << 20

// renewable reports whether a vault file that was made elsewhere can be opened while the gateway serves: without asking anybody, and within its memory.
func renewable(cfg *config.Config, v *config.Vault) bool {
	return v.Unlock.KeyFile != "" || v.Unlock.PasswordFile != "" && gateway.FindMemory(int64(cfg.Limits.Memory), os.DirFS("/")).Bytes >= memoryForPasswords
}

// configuredUnlock reads what opens a vault of the configuration, and asks when the configuration does not say.
func configuredUnlock(ctx context.Context, stdio *Stdio, cfg *config.Config, v *config.Vault) (vaults.Unlock, error) {
	what := fmt.Sprintf("vault %q", v.Name)
	field := fmt.Sprintf("vaults[%d].unlock", slices.IndexFunc(cfg.Vaults, func(other config.Vault) bool { return other.Name == v.Name }))
	flags := unlockFlags{KeyFile: v.Unlock.KeyFile, PasswordFile: v.Unlock.PasswordFile}
	switch {
	case flags.KeyFile != "":
		field += ".key_file"
	case flags.PasswordFile != "":
		field += ".password_file"
	default:
		return ask(ctx, stdio, what, fmt.Sprintf("name %s.key_file or %s.password_file in the configuration", field, field))
	}
	unlock, err := flags.read(ctx, stdio, what)
	if _, ok := errors.AsType[usageError](err); ok {
		err = usageError(fmt.Sprintf("%s, of %s: %v", field, what, err))
	}
	return unlock, err
}

func configuredCredentials(cfg *config.Config, stdio *Stdio) (*auth.Static, error) {
	var all []auth.Credential
	for i := range cfg.Credentials {
		c := &cfg.Credentials[i]
		key := c.SecretKey
		if c.SecretKeyFile != "" {
			value, warning, err := secret.ReadFile(c.SecretKeyFile)
			if err != nil {
				return nil, usageError(fmt.Sprintf("credentials[%d].secret_key_file: %v", i, err))
			}
			if warning != "" {
				stdio.warn(warning)
			}
			key = value.Text()
		}
		grants, err := configuredGrants(c.Allow)
		if err != nil {
			return nil, usageError(fmt.Sprintf("credentials[%d].allow: %v", i, err))
		}
		all = append(all, auth.Credential{AccessKey: c.AccessKey, Secret: key, Allow: grants})
	}
	static, err := auth.NewStatic(all)
	if err != nil {
		return nil, usageError(err.Error())
	}
	return static, nil
}

func configuredGrants(allow []config.Permission) ([]auth.Grant, error) {
	var grants []auth.Grant
	for _, p := range allow {
		g := auth.Grant{Buckets: p.Buckets, Prefixes: p.Prefixes}
		for _, word := range p.Ops {
			action, err := auth.ParseAction(word)
			if err != nil {
				return nil, err
			}
			g.Actions = append(g.Actions, action)
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// everything is what the one owner of a quickstart folder may do.
func everything() []auth.Grant {
	return []auth.Grant{{Buckets: []string{"*"}, Actions: []auth.Action{auth.Read, auth.Write, auth.List, auth.Delete, auth.CreateBucket}}}
}

func trustedProxies(cfg *config.Config) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for i, text := range cfg.Listen.TrustedProxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usageError(fmt.Sprintf("listen.trusted_proxies[%d]: %v", i, err))
		}
		all = append(all, p)
	}
	return all, nil
}

type configCheckCommand struct {
	Config string `help:"Configuration file." required:"" type:"path" placeholder:"FILE"`
}

// Run prints every problem, or that there is none. It opens no storage and no port.
func (c *configCheckCommand) Run(stdio *Stdio) error {
	cfg, err := loadConfig(c.Config, stdio)
	if err != nil {
		return err
	}
	stdio.printf("%s is valid: %d provider(s), %d vault(s), %d credential(s)\n", c.Config, len(cfg.Providers), len(cfg.Vaults), len(cfg.Credentials))
	return nil
}

// pickVault finds a vault by name; without a name there must be only one.
func pickVault(cfg *config.Config, name string) (*config.Vault, error) {
	if name == "" && len(cfg.Vaults) == 1 {
		return &cfg.Vaults[0], nil
	}
	known := make([]string, 0, len(cfg.Vaults))
	for i := range cfg.Vaults {
		if cfg.Vaults[i].Name == name {
			return &cfg.Vaults[i], nil
		}
		known = append(known, cfg.Vaults[i].Name)
	}
	return nil, usageError(fmt.Sprintf("say which vault with --name; the configuration has: %s", strings.Join(known, ", ")))
}
