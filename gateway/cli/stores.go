package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"sallyport/config"
	"sallyport/crypto/vault"
	"sallyport/gateway"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/local"
	"sallyport/providers/s3"
)

// registry is every storage type this program knows. With readOnly they take no locks, so that a command works beside a running gateway.
func registry(readOnly bool, log *slog.Logger) providers.Registry {
	return providers.Registry{
		"local": func(ctx context.Context, decode func(config any) error) (driver.Driver, error) {
			c, err := local.DecodeConfig(decode)
			if err != nil {
				return nil, err
			}
			folder, err := local.Open(ctx, c, &local.Options{Logger: log, ReadOnly: readOnly})
			if err != nil {
				return nil, explainFolder(c.Path, err)
			}
			return folder, nil
		},
		"s3":    bucketFactory(s3.DecodeConfig, readOnly, log),
		"minio": bucketFactory(s3.DecodeMinIOConfig, readOnly, log),
	}
}

func bucketFactory(read func(decode func(into any) error) (*s3.Config, error), readOnly bool, log *slog.Logger) providers.Factory {
	return func(ctx context.Context, decode func(config any) error) (driver.Driver, error) {
		c, err := read(decode)
		if err != nil {
			return nil, err
		}
		return s3.Open(ctx, c, &s3.Options{Logger: log, ReadOnly: readOnly})
	}
}

// providerTypes lets the configuration check each driver's own settings.
func providerTypes() config.ProviderTypes {
	return config.ProviderTypes{
		"local": func(decode func(into any) error) error {
			_, err := local.DecodeConfig(decode)
			return err
		},
		"s3": func(decode func(into any) error) error {
			_, err := s3.DecodeConfig(decode)
			return err
		},
		"minio": func(decode func(into any) error) error {
			_, err := s3.DecodeMinIOConfig(decode)
			return err
		},
	}
}

// roots lets the configuration check find two providers on one folder, or on one place in one bucket, also by another path to it; providers inside
// one another; and the state directory among them.
func roots() *config.Roots {
	return &config.Roots{
		Providers: map[string]func(decode func(into any) error) string{
			"local": func(decode func(into any) error) string {
				c, err := local.DecodeConfig(decode)
				if err != nil || c.Path == "" {
					return "" // which is reported as it is
				}
				return folderRoot(c.Path)
			},
			"s3":    bucketRoot(s3.DecodeConfig),
			"minio": bucketRoot(s3.DecodeMinIOConfig),
		},
		Folder: folderRoot,
	}
}

func folderRoot(path string) string {
	real, err := realPath(path)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(real)
}

func bucketRoot(read func(decode func(into any) error) (*s3.Config, error)) func(decode func(into any) error) string {
	return func(decode func(into any) error) string {
		c, err := read(decode)
		if err != nil {
			return ""
		}
		// Amazon's buckets have one name in all regions.
		endpoint := strings.ToLower(strings.TrimRight(cmp.Or(c.Endpoint, "https://s3.amazonaws.com"), "/"))
		return strings.TrimRight(endpoint+"/"+c.Bucket+"/"+strings.Trim(c.Prefix, "/"), "/")
	}
}

// stores are the opened providers of a configuration by name, and what in them needs looking after.
type stores struct {
	byName   map[string]*providers.Store
	sweepers []gateway.Sweeper
	health   []gateway.HealthCheck
}

func (s *stores) close() error {
	var err error
	for _, store := range s.byName {
		err = errors.Join(err, store.Close())
	}
	return err
}

// openStores opens the named providers; none left open after an error.
func openStores(ctx context.Context, cfg *config.Config, readOnly bool, metrics *telemetry.Metrics, log *slog.Logger, vaultsOf ...config.Vault) (opened *stores, err error) {
	opened = &stores{byName: map[string]*providers.Store{}}
	known := registry(readOnly, log)
	for _, v := range vaultsOf {
		p := cfg.Providers[v.Provider]
		d, err := known.Open(ctx, p.Type, p.Decode)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("provider %q: %w", v.Provider, err), opened.close())
		}
		if folder, ok := d.(*local.Folder); ok {
			opened.sweepers = append(opened.sweepers, folder)
			opened.health = append(opened.health, gateway.HealthCheck{Provider: v.Provider, Check: folder.Health})
		}
		if bucket, ok := d.(*s3.Bucket); ok && !readOnly && !v.SingleGateway {
			if seen := bucket.Probe(); !seen.Shared() {
				return nil, errors.Join(usageError(fmt.Sprintf("provider %q cannot decide conditions as several gateways need them (sallyport doctor tells which); if this is the only gateway of vault %q, say so with single_gateway: true",
					v.Provider, v.Name)), d.Close(), opened.close())
			}
		}
		opened.byName[v.Provider] = providers.Open(v.Provider, d, &providers.StoreOptions{
			Sink: gateway.StoreMetrics{Metrics: metrics}, Logger: log, SingleGateway: v.SingleGateway,
		})
		opened.health = append(opened.health, gateway.HealthCheck{Provider: v.Provider, Check: opened.byName[v.Provider].Health})
	}
	return opened, nil
}

// configuredVault returns one vault of the configuration, locked.
func configuredVault(cfg *config.Config, v *config.Vault, open *stores, hasher *vault.Hasher, log *slog.Logger) *vaults.Vault {
	return vaults.New(&vaults.Options{
		Name: v.Name, Store: open.byName[v.Provider], Patterns: v.Buckets, State: vaults.NewStateDir(cfg.StateDir, v.Name), Hasher: hasher, Log: log,
	})
}

// loadConfig reads a configuration file; what is wrong with it is a usage error that names the file.
func loadConfig(path string, stdio *Stdio) (*config.Config, error) {
	cfg, warnings, err := config.Load(path, providerTypes(), roots())
	if err != nil {
		if problems, ok := errors.AsType[config.Problems](err); ok {
			return nil, usageError(fmt.Sprintf("%s has %d problem(s):\n%s", path, len(problems), problems))
		}
		return nil, usageError(err.Error())
	}
	for _, w := range warnings {
		stdio.warn(w)
	}
	return cfg, nil
}

func newLogger(cfg *config.Config, stdio *Stdio) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, usageError(err.Error())
	}
	return telemetry.NewLogger(stdio.Err, telemetry.LogOptions{Format: telemetry.Format(cfg.Log.Format), Level: level}), nil
}

// openFolder opens the folder of a quickstart vault; it makes it only if create is set.
func openFolder(ctx context.Context, path string, create, readOnly bool, log *slog.Logger) (*providers.Store, gateway.Sweeper, error) {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, nil, explainFolder(path, err)
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usageError(fmt.Sprintf("there is no folder %s: is this the folder quickstart made?", path))
	}
	folder, err := local.Open(ctx, &local.Config{Path: path}, &local.Options{Logger: log, ReadOnly: readOnly})
	if err != nil {
		return nil, nil, explainFolder(path, err)
	}
	return providers.Open("folder", folder, &providers.StoreOptions{Logger: log}), folder, nil
}

const quickstartVaultName = "quickstart"

// quickstartVault returns the vault of a quickstart folder, locked.
func quickstartVault(dir string, store *providers.Store, hasher *vault.Hasher, log *slog.Logger) *vaults.Vault {
	return vaults.New(&vaults.Options{
		Name: quickstartVaultName, Store: store, Patterns: []string{"*"}, Hasher: hasher, Log: log,
		State: vaults.NewStateDir(filepath.Join(dir, "state"), quickstartVaultName),
	})
}

// quietLogger is for commands at a terminal, where only what needs attention is worth a line.
func quietLogger(stdio *Stdio) *slog.Logger {
	return telemetry.NewLogger(stdio.Err, telemetry.LogOptions{Level: slog.LevelWarn})
}
