package vaults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/crypto/vault"
	"sallyport/gateway/telemetry"
	"sallyport/providers"
)

// Renewal lets a vault that is open take a newer vault file, which somebody made elsewhere.
type Renewal struct {
	// Unlock reads again what opens the vault: a changed password is another one.
	Unlock func(ctx context.Context) (Unlock, error)
	// Done is told the generation that was taken.
	Done func(generation uint64)
	// Now is the clock of failures; nil = time.Now.
	Now func() time.Time
}

// refusedFor is how long no vault file is tried after one that did not open: a password costs time and memory, and whoever can write to the root can
// have it tried by any read, under another number each time.
const refusedFor = time.Minute

// refusal is why the last vault file that was tried did not open.
type refusal struct {
	until time.Time
	err   error
}

// RenewBy sets how a newer vault file is opened. It is to be called before the vault is used; without it Renew takes none.
func (v *Vault) RenewBy(r *Renewal) {
	v.renewal = r
	if r.Now == nil {
		r.Now = time.Now
	}
}

// Renew takes the newest vault file if it is newer than the open one, and reports whether it did. What is under way goes on with the keys of before,
// which are all in the newer file too. The error says why a newer file was not taken; the vault then stays as it is. A vault that is locked, or that was not
// told how, stays too.
func (v *Vault) Renew(ctx context.Context) (bool, error) {
	if v.renewal == nil {
		return false, nil
	}
	select {
	case v.renewing <- struct{}{}:
	case <-ctx.Done():
		return false, fmt.Errorf("renew vault %q: %w", v.name, context.Cause(ctx))
	}
	defer func() { <-v.renewing }()
	return v.renew(ctx)
}

func (v *Vault) renew(ctx context.Context) (bool, error) {
	open, ok := v.Generation()
	if !ok {
		return false, nil
	}
	found, err := v.generations(ctx)
	if err != nil {
		return false, err
	}
	if len(found) == 0 || found[len(found)-1] <= open {
		return false, nil
	}
	newest := found[len(found)-1]
	if r := v.refused; v.renewal.Now().Before(r.until) {
		return false, r.err
	}
	unlock, err := v.renewal.Unlock(ctx)
	if err == nil {
		unlock.bounded = true
		err = v.Open(ctx, unlock)
	}
	taken, _ := v.Generation()
	switch {
	case err != nil:
		text := "is not taken"
		if errors.Is(err, vault.ErrWrongKey) {
			text = "does not open here: name the vault's key or its new password in the configuration"
		}
		err = fmt.Errorf("vault file %s was made elsewhere and %s: %w", vault.FileName(newest), text, err)
		v.log.Error("a newer vault file was not taken", telemetry.Vault(v.name), telemetry.Generation(newest), telemetry.Error(err))
	case taken <= open:
		err = fmt.Errorf("vault file %s is damaged", vault.FileName(newest))
	default:
		v.log.Info("a newer vault file was taken", telemetry.Vault(v.name), telemetry.Generation(taken))
		if v.renewal.Done != nil {
			v.renewal.Done(taken)
		}
		return true, nil
	}
	if !passing(ctx, err) {
		v.refused = refusal{v.renewal.Now().Add(refusedFor), err}
	}
	return false, err
}

// passing reports whether a look for a newer vault file failed so that the next one may succeed: it says nothing of any file.
func passing(ctx context.Context, err error) bool {
	return ctx.Err() != nil || providers.Is(err, providers.Unavailable) || providers.Is(err, providers.Throttled) || providers.Is(err, providers.Canceled)
}

// LearnEpoch renews the vault if it does not know an epoch. The error is ErrUnknownEpoch, with the reason if there is a newer vault file and it was not
// taken; or ErrNoLook if nobody could find out whether there is one; or ErrLocked.
func (v *Vault) LearnEpoch(ctx context.Context, n uint32) error {
	_, err := v.epoch(n)
	if !errors.Is(err, ErrUnknownEpoch) {
		return err
	}
	if err := v.renewFor(ctx, err); err != nil {
		return err
	}
	_, err = v.epoch(n)
	return err
}

// renewed returns the keys of a newer vault file, or cause if there is none that opens, or ErrNoLook.
func (v *Vault) renewed(ctx context.Context, cause error) (*ring, error) {
	if err := v.renewFor(ctx, cause); err != nil {
		return nil, err
	}
	return v.keyring()
}

// renewFor renews because of cause, which it returns only if a newer vault file was not taken for good.
func (v *Vault) renewFor(ctx context.Context, cause error) error {
	_, err := v.Renew(ctx)
	switch {
	case err == nil:
		return nil
	case passing(ctx, err):
		return fmt.Errorf("%w: %w", ErrNoLook, err)
	}
	return fmt.Errorf("%w: %w", cause, err)
}
