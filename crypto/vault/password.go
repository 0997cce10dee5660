package vault

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"sallyport/config/secret"
)

const (
	argonVersion   = argon2.Version
	argonAlgorithm = "argon2id"
	argonKeySize   = 32
	saltSize       = 32

	minArgonMemory = 19 << 10
	maxArgonMemory = 2 << 20
	maxArgonTime   = 16
	maxArgonLanes  = 8
)

// Cost is what one password guess costs under Argon2id.
type Cost struct {
	Time      uint32 // passes over the memory
	MemoryKiB uint32
	Lanes     uint8 // parallelism
}

// DefaultCost is what new password slots get: 3 passes over 256 MiB in 4 lanes.
func DefaultCost() Cost { return Cost{Time: 3, MemoryKiB: 256 << 10, Lanes: 4} }

func (c Cost) validate() error {
	if c.Time < 1 || c.Time > maxArgonTime || c.MemoryKiB < minArgonMemory || c.MemoryKiB > maxArgonMemory || c.Lanes < 1 || c.Lanes > maxArgonLanes {
		return fmt.Errorf("argon2id cost out of bounds: passes 1 to %d, memory %d to %d KiB, lanes 1 to %d", maxArgonTime, minArgonMemory, maxArgonMemory, maxArgonLanes)
	}
	return nil
}

// Hasher turns passwords into keys, one at a time, so that unlock attempts cannot fill the memory. A process makes one and shares it;
// it is safe for concurrent use.
type Hasher struct {
	turn chan struct{}
	cost Cost
}

// NewHasher returns a hasher that gives new password slots the given cost; existing slots say theirs. A cost outside the bounds of
// the format (19 MiB to 2 GiB, 1 to 16 passes, 1 to 8 lanes) is an error.
func NewHasher(cost Cost) (*Hasher, error) {
	if err := cost.validate(); err != nil {
		return nil, fmt.Errorf("make password hasher: %w", err)
	}
	return &Hasher{turn: make(chan struct{}, 1), cost: cost}, nil
}

// Affords reports whether no password slot of a file costs more than the slots that the hasher makes. What a slot costs is written in the file, where
// whoever can write to the storage may have put it.
func (h *Hasher) Affords(f *File) bool {
	for i := range f.slots {
		c := f.slots[i].cost
		if c.Time > h.cost.Time || c.MemoryKiB > h.cost.MemoryKiB || c.Lanes > h.cost.Lanes {
			return false
		}
	}
	return true
}

// derive waits for its turn and computes Argon2id. When ctx ends while waiting it returns the context's error; a computation that has
// begun runs to its end.
func (h *Hasher) derive(ctx context.Context, password secret.String, salt []byte, cost Cost) ([]byte, error) {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another password to be checked: %w", context.Cause(ctx))
	}
	defer func() { <-h.turn }()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("check password: %w", err)
	}
	normal := norm.NFC.Bytes([]byte(password.Reveal()))
	defer clear(normal)
	return argon2.IDKey(normal, salt, cost.Time, cost.MemoryKiB, cost.Lanes, argonKeySize), nil
}

var errNoPassword = errors.New("no password was given")
