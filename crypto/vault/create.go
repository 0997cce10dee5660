package vault

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
)

// Options say what a new vault is like. The zero value is a vault with plain names, MD5 ETags, a fresh 64-digit key and no password.
type Options struct {
	// Names must be NamesPlain or empty in this version.
	Names Names
	// ETag is ETagMD5 when empty.
	ETag ETagPolicy
	// KeyMax is 900 when zero.
	KeyMax int
	// RecoveryKey is drawn at random when zero.
	RecoveryKey RecoveryKey
	// RecoveryLabel is "64-digit key" when empty.
	RecoveryLabel string
	// Password makes a second slot when not empty. A weak one is refused with [WeakPasswordError], one that could not be typed with [PasswordTextError].
	Password      secret.String
	PasswordLabel string
}

const (
	defaultRecoveryLabel = "64-digit key"
	defaultPasswordLabel = "password"
)

// Create makes a vault in memory: generation 1, opened with its recovery key, which stands in the first slot. Nothing is stored. The
// caller shows the key, has it typed back, stores File().Bytes() under File().Name() so that it cannot replace an existing file,
// reads it back, and only then uses the vault.
func Create(ctx context.Context, hasher *Hasher, options Options) (*Opened, RecoveryKey, error) {
	opened, key, err := create(ctx, hasher, options)
	if err != nil {
		return nil, RecoveryKey{}, fmt.Errorf("create vault: %w", err)
	}
	return opened, key, nil
}

func create(ctx context.Context, hasher *Hasher, options Options) (*Opened, RecoveryKey, error) {
	settings, err := options.settings()
	if err != nil {
		return nil, RecoveryKey{}, err
	}
	var id ID
	// rand.Read never returns an error: the program ends when the system has no randomness.
	_, _ = rand.Read(id[:])
	next := draft{id: id, generation: 1, created: uint64(time.Now().UnixMilli()), settings: settings, auth: new([authKeySize]byte)}
	_, _ = rand.Read(next.auth[:])
	next.ring = &keyring{names: keys.NewVNK(), epochs: []epochKey{{epoch: 1, key: keys.NewVRK()}}}

	key := options.RecoveryKey
	if key.IsZero() {
		key = NewRecoveryKey()
	}
	first, proof, err := next.recoverySlot(key, orDefault(options.RecoveryLabel, defaultRecoveryLabel))
	if err != nil {
		return nil, RecoveryKey{}, err
	}
	next.slots = append(next.slots, first)
	proofs := []slotProof{proof}
	if !options.Password.IsZero() {
		second, proof, err := next.passwordSlot(ctx, hasher, options.Password, orDefault(options.PasswordLabel, defaultPasswordLabel))
		if err != nil {
			return nil, RecoveryKey{}, err
		}
		next.slots = append(next.slots, second)
		proofs = append(proofs, proof)
	}
	opened, err := next.finish(first.id, proofs)
	if err != nil {
		return nil, RecoveryKey{}, err
	}
	return opened, key, nil
}

func (options Options) settings() (Settings, error) {
	settings := Settings{Names: options.Names, ETag: options.ETag, KeyMax: options.KeyMax}
	if settings.Names == "" {
		settings.Names = NamesPlain
	}
	if settings.ETag == "" {
		settings.ETag = ETagMD5
	}
	if settings.KeyMax == 0 {
		settings.KeyMax = defaultKeyMax
	}
	return settings, settings.validate()
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}
