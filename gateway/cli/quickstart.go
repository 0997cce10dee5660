package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"

	"sallyport/crypto/vault"
	"sallyport/gateway"
	"sallyport/gateway/auth"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

const quickstartRegion = "us-east-1"

// quickstartCommand is the first five minutes: one folder, one vault, one access key, this machine only.
type quickstartCommand struct {
	unlockFlags
	Dir    string `help:"Folder for the vault (data/) and this gateway's own state (state/)." default:"./sallyport-data" type:"path"`
	Listen string `help:"Address to serve on; port 0 picks a free one." default:"127.0.0.1:9710"`
	TLS    bool   `name:"tls" help:"Serve HTTPS with a certificate authority of this folder's own."`
	Yes    bool   `help:"Do not ask to type the new key back."`
	JSON   bool   `name:"json" help:"Print one line of JSON once the port accepts, instead of text."`
}

// quickstartResult is the line of JSON.
type quickstartResult struct {
	Endpoint    string `json:"endpoint"`
	Region      string `json:"region"`
	AccessKey   string `json:"access_key"`
	SecretKey   string `json:"secret_key"`
	RecoveryKey string `json:"recovery_key,omitempty"` // only when just made
	Dir         string `json:"dir"`
	CACert      string `json:"ca_cert,omitempty"` // path of a PEM file
}

// Run makes or opens the vault and serves until ctx ends.
func (c *quickstartCommand) Run(ctx context.Context, stdio *Stdio) (err error) {
	if err := errors.Join(c.checkListen(), c.checkDir()); err != nil {
		return err
	}
	log, state := quietLogger(stdio), filepath.Join(c.Dir, "state")
	store, sweeper, err := c.openData(ctx, state, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	tlsConfig, caFile, err := c.tlsConfig(state, log)
	if err != nil {
		return err
	}
	// The port is taken before the vault is made: if it is in use, the command ends before there is a vault whose key was never shown.
	socket, err := gateway.Bind(c.Listen, tlsConfig)
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }()

	hasher, err := vault.NewHasher(vault.DefaultCost())
	if err != nil {
		return err
	}
	v := quickstartVault(c.Dir, store, hasher, log)
	fresh, err := c.open(ctx, stdio, v)
	if err != nil {
		return err
	}
	server, result, err := c.compose(v, socket, state, sweeper, log)
	if err != nil {
		if c.JSON && !fresh.IsZero() {
			err = errors.Join(err, printNewKey(stdio, fresh))
		}
		return err
	}
	result.CACert = caFile
	if !fresh.IsZero() {
		result.RecoveryKey = fresh.Reveal()
	}
	defer announceStop(ctx, stdio)()
	if !c.JSON {
		if err := printReadyLines(stdio, result); err != nil {
			return err
		}
		return server.Run(ctx)
	}
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	if _, err := fmt.Fprintf(stdio.Out, "%s\n", line); err != nil {
		err = fmt.Errorf("print the result: %w", err)
		if !fresh.IsZero() {
			err = fmt.Errorf("%w. A vault was made whose key could not be shown, so that nothing opens it. Nothing is stored in it: remove %s and %s, and start again",
				err, filepath.Join(c.Dir, "data", ".sallyport"), filepath.Join(state, "vaults"))
		}
		return err
	}
	return server.Run(ctx)
}

// openData opens the folder of the vault, and makes it unless this gateway remembers a vault there: then it is more likely not mounted.
func (c *quickstartCommand) openData(ctx context.Context, state string, log *slog.Logger) (*providers.Store, gateway.Sweeper, error) {
	data := filepath.Join(c.Dir, "data")
	used, err := vaults.NewStateDir(state, quickstartVaultName).Remembers()
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(data); used && errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s is gone, and %s remembers that a vault was in it: put it back, or mount the disk it is on. No new vault was made", data, state)
	}
	return openFolder(ctx, data, true, false, log)
}

// mayBeMade reports whether a vault may be there although making it failed, so that its key must be shown all the same.
func mayBeMade(ctx context.Context, v *vaults.Vault) bool {
	exists, err := v.Exists(context.WithoutCancel(ctx))
	return exists || err != nil
}

func (c *quickstartCommand) compose(v *vaults.Vault, socket *gateway.Socket, state string, sweeper gateway.Sweeper, log *slog.Logger) (*gateway.Server, *quickstartResult, error) {
	accessKey, secretKey, err := v.OwnerCredential()
	if err != nil {
		return nil, nil, err
	}
	credentials, err := auth.NewStatic([]auth.Credential{{AccessKey: accessKey, Secret: secretKey, Allow: everything()}})
	if err != nil {
		return nil, nil, err
	}
	debug.FreeOSMemory() // Argon2id's 256 MiB would stay for minutes
	server := gateway.New(&gateway.Options{
		Vaults: []*vaults.Vault{v}, Credentials: credentials, Region: quickstartRegion, Domains: []string{"localhost", "s3.localhost"},
		Socket: socket, StateDir: state, Sweepers: []gateway.Sweeper{sweeper}, Memory: ownMemory(0, log), Log: log,
	})
	return server, &quickstartResult{
		Endpoint: socket.ReachableURL(), Region: quickstartRegion, AccessKey: accessKey, SecretKey: secretKey.Reveal(), Dir: c.Dir,
	}, nil
}

// checkListen refuses plain HTTP on an address that others can reach.
func (c *quickstartCommand) checkListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usageError(fmt.Sprintf("--listen %q is not host:port: %v", c.Listen, err))
	}
	if c.TLS || host == "localhost" {
		return nil
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return usageError(fmt.Sprintf("--listen %s can be reached from other machines, where plain HTTP would show your data to the network: add --tls, and have clients trust the certificate file it prints", c.Listen))
	}
	return nil
}

// checkDir refuses a folder in which this command's own would lie among the files of another vault, where its recovery takes them for objects.
func (c *quickstartCommand) checkDir() error {
	dir, err := realPath(c.Dir)
	if err != nil {
		return err
	}
	for inside := dir; ; inside = filepath.Dir(inside) {
		if _, err := os.Stat(filepath.Join(inside, filepath.FromSlash(vault.Directory))); err == nil {
			return usageError(fmt.Sprintf("--dir %s lies in a vault's own folder, %s: name one outside of it; the folder that quickstart made is the one that holds data/ and state/", c.Dir, inside))
		}
		if inside == filepath.Dir(inside) {
			return nil
		}
	}
}

// open opens the vault, making it first if the folder holds none. It returns the recovery key only if it was made just now.
func (c *quickstartCommand) open(ctx context.Context, stdio *Stdio, v *vaults.Vault) (fresh vault.RecoveryKey, err error) {
	exists, err := v.Exists(ctx)
	if err != nil {
		return fresh, err
	}
	if exists {
		_, err := c.untilRight(ctx, stdio, "the vault in "+c.Dir, func(unlock vaults.Unlock) error { return v.Open(ctx, unlock) })
		return fresh, err
	}
	create := vaults.CreateOptions{ETag: vault.ETagMD5}
	if c.given() {
		unlock, err := c.read(ctx, stdio, "the new vault")
		if err != nil {
			return fresh, err
		}
		create.Key, create.Password = unlock.Key, unlock.Password
	}
	// Before a key is shown: nobody is to keep the key of a vault that is then refused.
	if err := v.CheckCreate(ctx, &create); err != nil {
		return fresh, err
	}
	if create.Key.IsZero() {
		fresh = vault.NewRecoveryKey()
		create.Key = fresh
		if err := c.show(ctx, stdio, fresh); err != nil {
			return fresh, err
		}
	}
	if err = v.Create(ctx, &create); err == nil {
		err = v.Open(ctx, vaults.Unlock{Key: create.Key})
	}
	if err != nil && c.JSON && !fresh.IsZero() && mayBeMade(ctx, v) {
		err = errors.Join(err, printNewKey(stdio, fresh))
	}
	return fresh, err
}

// show prints a new key and, at a terminal, asks for it back before anything is made with it.
func (c *quickstartCommand) show(ctx context.Context, stdio *Stdio, key vault.RecoveryKey) error {
	if !c.JSON {
		if err := printNewKey(stdio, key); err != nil {
			return err
		}
	}
	if c.Yes || c.JSON || !stdio.interactive() {
		return nil
	}
	return askBack(ctx, stdio, key)
}

const losingIt = "Write it down or put it into a password manager now. It is not shown again.\n" +
	"Lose it, and every password you may add, and nobody can restore your data: not the storage provider, not the makers of Sallyport.\n"

func printNewKey(stdio *Stdio, key vault.RecoveryKey) error {
	if _, err := fmt.Fprintf(stdio.Out, "Your new 64-digit key:\n\n%s\n%s", keyLines(key), losingIt); err != nil {
		return fmt.Errorf("show the new key: %w", err)
	}
	return nil
}

// keyLines sets the sixteen groups in four rows.
func keyLines(key vault.RecoveryKey) string {
	const rowLength = 4*4 + 3
	text, out := key.Reveal(), ""
	for len(text) > 0 {
		n := min(rowLength, len(text))
		out += "    " + text[:n] + "\n"
		text = text[min(n+1, len(text)):]
	}
	return out
}

const askBackTries = 3

func askBack(ctx context.Context, stdio *Stdio, key vault.RecoveryKey) error {
	for range askBackTries {
		answer, err := stdio.askLine(ctx, "\nType the key back (spaces do not matter): ")
		if err != nil {
			return err
		}
		typed, err := vault.ParseRecoveryKey(answer)
		if err == nil && typed.Equal(key) {
			return nil
		}
		if err != nil {
			stdio.notef("%v\n", err)
		} else {
			stdio.notef("That is a 64-digit key, and not this one.\n")
		}
	}
	return errors.New("the key was not typed back, so nothing was made")
}

func (c *quickstartCommand) tlsConfig(state string, log *slog.Logger) (*tls.Config, string, error) {
	if !c.TLS {
		return nil, "", nil
	}
	authority, err := gateway.OpenAuthority(filepath.Join(state, "tls"))
	if err != nil {
		return nil, "", err
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, "", usageError(err.Error())
	}
	config, err := authority.TLS(log, host)
	return config, authority.CertFile, err
}
