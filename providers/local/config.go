package local

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Layouts of a root, fixed when it is made.
const (
	LayoutEscaped  = "escaped"  // every key can be held; file names are escaped
	LayoutVerbatim = "verbatim" // keys are paths as they are; a key the file system cannot hold exactly is refused
)

// Durability of acknowledged writes.
const (
	DurabilityFull = "full" // every write is on the medium, as far as the file system promises, before it is acknowledged
	DurabilityOff  = "off"  // no sync at all: a power failure can lose or tear anything written in the last minutes
)

// Config is this provider's part of the configuration.
type Config struct {
	// Path is the folder. It must exist: a missing one is more often a disk that is not mounted than a wish for a new folder.
	Path string `yaml:"path"`
	// Layout of a root that is still to be made; "" = escaped. For a root that exists it may be "" and must otherwise be what the root has.
	Layout string `yaml:"layout"`
	// Durability is "full" (also "") or "off".
	Durability string `yaml:"durability"`
	// ReserveBytes is the free space that uploads leave, so that deletes still work; 0 = 2 % of the file system and at most 64 MiB, -1 = none.
	ReserveBytes int64 `yaml:"reserve_bytes"`
}

// DecodeConfig reads a Config by the strict decoder it is handed, and validates it.
func DecodeConfig(decode func(into any) error) (*Config, error) {
	var c Config
	if err := decode(&c); err != nil {
		return nil, err
	}
	return &c, c.Validate()
}

// Validate joins everything that is wrong with c, each with its field.
func (c *Config) Validate() error {
	var problems []error
	if c.Path == "" {
		problems = append(problems, errors.New("path: is empty"))
	}
	switch c.Layout {
	case "", LayoutEscaped, LayoutVerbatim:
	default:
		problems = append(problems, fmt.Errorf("layout: %q is neither %q nor %q", c.Layout, LayoutEscaped, LayoutVerbatim))
	}
	switch c.Durability {
	case "", DurabilityFull, DurabilityOff:
	default:
		problems = append(problems, fmt.Errorf("durability: %q is neither %q nor %q", c.Durability, DurabilityFull, DurabilityOff))
	}
	if c.ReserveBytes < -1 {
		problems = append(problems, fmt.Errorf("reserve_bytes: %d is negative", c.ReserveBytes))
	}
	return errors.Join(problems...)
}

// Options are what the program hands to Open beside the configuration. The zero value is usable.
type Options struct {
	// Logger gets warnings about the folder; nil = none.
	Logger *slog.Logger
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// ReadOnly opens without lock and without a single write, beside a running gateway if need be. Every change fails with ReadOnly.
	ReadOnly bool
	// FileSystem replaces the folder at Config.Path; Close closes it. For tests.
	FileSystem FileSystem
}
