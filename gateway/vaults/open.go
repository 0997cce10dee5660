package vaults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
	"sallyport/gateway/telemetry"
	"sallyport/providers"
)

// Unlock is what opens a vault: a 64-digit key or a password, one of them set.
type Unlock struct {
	Key      vault.RecoveryKey
	Password secret.String

	bounded bool // no password is checked that costs more than one that this program makes
}

var errCostly = errors.New("to check a password with it takes more memory or time than a running gateway may give; if it was not made by an attacker, restart the gateway to take it")

// CreateOptions say what a new vault is like. Key is required; Password adds a slot.
type CreateOptions struct {
	Key      vault.RecoveryKey
	Password secret.String
	ETag     vault.ETagPolicy
}

// generations returns the numbers of the vault files in the root, ascending.
func (v *Vault) generations(ctx context.Context) ([]uint64, error) {
	var found []uint64
	after := ""
	for {
		page, err := v.store.List(ctx, &providers.ListOptions{Prefix: vault.Directory, After: after})
		if err != nil {
			return nil, fmt.Errorf("look for the vault file of %q: %w", v.name, err)
		}
		for _, e := range page.Entries {
			after = e.Key
			if n, ok := vault.ParseFileName(strings.TrimPrefix(e.Key, vault.Directory)); ok {
				found = append(found, n)
			}
		}
		if !page.More {
			slices.Sort(found)
			return found, nil
		}
	}
}

// Exists reports whether the root holds a vault file, readable or not.
func (v *Vault) Exists(ctx context.Context) (bool, error) {
	g, err := v.generations(ctx)
	return len(g) > 0, err
}

// CheckCreate reports what Create would refuse, and makes nothing: callers that show a new key ask it first, so that nobody keeps the key of a
// vault that was never made. What only an attempt can tell, such as a full disk, it does not promise. It refuses with ErrVaultExists if there is a
// vault file, or if this gateway has ever seen one: a root that lost its vault file needs it back, not another one.
func (v *Vault) CheckCreate(ctx context.Context, create *CreateOptions) error {
	if err := v.checkCreate(ctx, create); err != nil {
		return fmt.Errorf("create vault %q: %w", v.name, err)
	}
	return nil
}

// probesDir is where drivers and doctor try a storage out. What was killed meanwhile leaves something there, which the next one removes after a while.
const probesDir = ".sallyport/probe/"

func (v *Vault) checkEmpty(ctx context.Context) error {
	for _, after := range []string{"", probesDir + "\U0010ffff"} {
		page, err := v.store.List(ctx, &providers.ListOptions{After: after, Limit: 1})
		if err != nil {
			return err
		}
		if len(page.Entries) == 0 {
			return nil
		}
		if key := page.Entries[0].Key; !strings.HasPrefix(key, probesDir) {
			return fmt.Errorf("its root is not empty (it holds %q): choose an empty one, or put back the vault file these objects belong to", key)
		}
	}
	return nil
}

func (v *Vault) checkCreate(ctx context.Context, create *CreateOptions) error {
	exists, err := v.Exists(ctx)
	if err != nil {
		return err
	}
	if exists {
		return ErrVaultExists
	}
	if v.state != nil {
		used, err := v.state.Remembers()
		if err != nil {
			return err
		}
		if used {
			return fmt.Errorf("its root holds no vault file, and this gateway has used one before: put back %s: %w", v.state.copyHint(), ErrVaultExists)
		}
	}
	if err := v.checkEmpty(ctx); err != nil {
		return err
	}
	if !create.Key.IsZero() { // else the caller has still to draw it
		if err := vault.CheckRecoveryKey(create.Key); err != nil {
			return err
		}
	}
	if !create.Password.IsZero() {
		if err := vault.CheckPassword(create.Password); err != nil {
			return err
		}
	}
	if !v.store.Capabilities().PutIfNoneMatch {
		return errNoExclusiveCreate
	}
	if v.state != nil {
		return v.state.checkWritable()
	}
	return nil
}

// Create makes the vault in its root, unless CheckCreate refuses it. The vault stays locked.
func (v *Vault) Create(ctx context.Context, create *CreateOptions) error {
	if err := v.CheckCreate(ctx, create); err != nil {
		return err
	}
	opened, _, err := vault.Create(ctx, v.hasher, vault.Options{ETag: create.ETag, RecoveryKey: create.Key, Password: create.Password})
	if err != nil {
		return fmt.Errorf("create vault %q: %w", v.name, err)
	}
	defer opened.Close()
	if err := v.publish(ctx, opened); err != nil {
		return fmt.Errorf("create vault %q: %w", v.name, err)
	}
	return nil
}

var errNoExclusiveCreate = errors.New("this backend cannot create a file only if it is absent, which changing a vault needs")

// publish stores a generation so that it replaces nothing, reads it back and keeps a copy of it.
func (v *Vault) publish(ctx context.Context, opened *vault.Opened) error {
	file := opened.File()
	if !v.store.Capabilities().PutIfNoneMatch {
		return errNoExclusiveCreate
	}
	key := vault.Directory + file.Name()
	if _, err := v.store.Put(ctx, key, bytes.NewReader(file.Bytes()), int64(len(file.Bytes())), &providers.PutOptions{IfNoneMatch: true}); err != nil {
		if providers.Is(err, providers.PreconditionFailed) {
			return fmt.Errorf("store vault file %s: a file of that number is there already: somebody else changed the vault at the same time (try again), or it is damaged (vault status tells; remove it only if you hold a copy)", file.Name())
		}
		return fmt.Errorf("store vault file %s: %w", file.Name(), err)
	}
	stored, err := v.readFile(ctx, file.Generation())
	if err != nil {
		return fmt.Errorf("read vault file %s back: %w", file.Name(), err)
	}
	if !bytes.Equal(stored.Bytes(), file.Bytes()) {
		return fmt.Errorf("read vault file %s back: it is not what was stored", file.Name())
	}
	return v.remember(opened)
}

// remember copies the generation to the state directory and pins it.
func (v *Vault) remember(opened *vault.Opened) error {
	if v.state == nil {
		return nil
	}
	if err := v.state.copyGeneration(opened.File().Name(), opened.File().Bytes()); err != nil {
		return err
	}
	pin, err := opened.Pin()
	if err != nil {
		return err
	}
	return v.state.writePin(pin.Encode())
}

func (v *Vault) readFile(ctx context.Context, generation uint64) (*vault.File, error) {
	key := vault.Directory + vault.FileName(generation)
	body, info, err := v.store.Get(ctx, key, &providers.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read vault file %s: %w", key, err)
	}
	defer func() { _ = body.Close() }()
	if info.Size > vault.MaxFileSize {
		return nil, fmt.Errorf("read vault file %s: %d bytes, more than any vault file has: %w", key, info.Size, vault.ErrDamaged)
	}
	raw, err := io.ReadAll(io.LimitReader(body, vault.MaxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("read vault file %s: %w", key, err)
	}
	file, err := vault.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read vault file %s: %w", key, err)
	}
	if file.Generation() != generation {
		return nil, fmt.Errorf("read vault file %s: it says it is generation %d: %w", key, file.Generation(), vault.ErrForged)
	}
	return file, nil
}

// Open unlocks the vault with its newest vault file. A file that is older than, or other than, what this gateway has seen is refused.
// Opening an open vault takes the newest file anew.
func (v *Vault) Open(ctx context.Context, unlock Unlock) error {
	opened, err := v.openNewest(ctx, unlock)
	if err != nil {
		return fmt.Errorf("open vault %q: %w", v.name, err)
	}
	r, err := newRing(opened)
	if err != nil {
		opened.Close()
		return fmt.Errorf("open vault %q: %w", v.name, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// The old ring is left to the collector: requests under way may hold it.
	v.ring = r
	return nil
}

// openNewest opens the highest generation that is intact. A damaged higher one is passed over only in favour of a generation that the
// pin still accepts, so that damage cannot bring back an older file.
func (v *Vault) openNewest(ctx context.Context, unlock Unlock) (*vault.Opened, error) {
	found, err := v.generations(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w in %s; without it nothing can be opened. Put back %s. A new vault is made only by vault create or quickstart",
			ErrNoVaultFile, vault.Directory, v.state.copyHint())
	}
	pin, err := v.pin()
	if err != nil {
		return nil, err
	}
	var damage error
	for _, generation := range slices.Backward(found) {
		file, err := v.readFile(ctx, generation)
		if err != nil {
			if errors.Is(err, vault.ErrDamaged) {
				damage = errors.Join(damage, err)
				v.log.Warn("vault file passed over", telemetry.Vault(v.name), telemetry.Generation(generation), telemetry.Error(err))
				continue
			}
			return nil, err
		}
		opened, err := v.openAccepted(ctx, unlock, file, pin)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("generation %d: %w", generation, err), damage)
		}
		return opened, nil
	}
	return nil, damage
}

// pin returns what this gateway has seen last; nil when it has seen nothing or keeps no state.
func (v *Vault) pin() (*vault.Pin, error) {
	if v.state == nil {
		return nil, nil
	}
	text, err := v.state.readPin()
	if err != nil || text == nil {
		return nil, err
	}
	pin, err := vault.ParsePin(text)
	if err != nil {
		return nil, err
	}
	return &pin, nil
}

// openAccepted opens a file and holds it against the pin, before and after, and then pins it.
func (v *Vault) openAccepted(ctx context.Context, unlock Unlock, file *vault.File, pin *vault.Pin) (*vault.Opened, error) {
	if pin != nil {
		if err := pin.VerifyFile(file); err != nil {
			return nil, err
		}
	}
	opened, err := unlock.open(ctx, file, v.hasher)
	if err != nil {
		return nil, err
	}
	// A password takes a second, and a command that uses the state directory too may have pinned a newer file since.
	if pin, err = v.pin(); err == nil && pin != nil {
		err = pin.Verify(opened)
	}
	if err == nil {
		err = v.remember(opened)
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return opened, nil
}

func (u Unlock) open(ctx context.Context, file *vault.File, hasher *vault.Hasher) (*vault.Opened, error) {
	if !u.Key.IsZero() {
		return file.OpenWithRecoveryKey(u.Key)
	}
	if u.bounded && !hasher.Affords(file) {
		return nil, errCostly
	}
	return file.OpenWithPassword(ctx, hasher, u.Password)
}

// Verify reports whether unlock opens the newest vault file, as Open does, and leaves the vault locked or open as it is.
func (v *Vault) Verify(ctx context.Context, unlock Unlock) error {
	opened, err := v.openNewest(ctx, unlock)
	if err != nil {
		return fmt.Errorf("open vault %q: %w", v.name, err)
	}
	opened.Close()
	return nil
}

// SetPassword adds a password, or with replace puts it in the place of the password slot with that label. After a replacement older
// generations are removed from the root once the new one was read back; the copies in the state directory are removed too, because the
// old password still opens them.
func (v *Vault) SetPassword(ctx context.Context, unlock Unlock, password secret.String, label string, replace bool) error {
	if v.state != nil {
		if err := v.state.checkWritable(); err != nil { // before the root is changed
			return fmt.Errorf("change password of vault %q: %w", v.name, err)
		}
	}
	opened, err := v.openNewest(ctx, unlock)
	if err != nil {
		return fmt.Errorf("change password of vault %q: %w", v.name, err)
	}
	defer opened.Close()
	var next *vault.Opened
	if replace {
		i := slices.IndexFunc(opened.File().Slots(), func(s vault.SlotInfo) bool { return s.Type == vault.SlotPassword && s.Label == label })
		if i < 0 {
			return fmt.Errorf("change password of vault %q: it has no password labelled %q; vault status lists them", v.name, label)
		}
		next, err = opened.ChangePassword(ctx, v.hasher, opened.File().Slots()[i].ID, password)
	} else {
		next, err = opened.AddPassword(ctx, v.hasher, password, label)
	}
	if err != nil {
		return fmt.Errorf("change password of vault %q: %w", v.name, err)
	}
	defer next.Close()
	if err := v.publish(ctx, next); err != nil {
		return fmt.Errorf("change password of vault %q: %w", v.name, err)
	}
	if !replace {
		return nil
	}
	if err := v.dropOlder(ctx, next.Generation()); err != nil {
		return fmt.Errorf("the password of vault %q is changed, but an older vault file is left, which the old password opens: %w", v.name, err)
	}
	return nil
}

func (v *Vault) dropOlder(ctx context.Context, newest uint64) error {
	found, err := v.generations(ctx)
	if err != nil {
		return err
	}
	for _, g := range found {
		if g < newest {
			err = errors.Join(err, v.store.Delete(ctx, vault.Directory+vault.FileName(g), &providers.DeleteOptions{}))
		}
	}
	if v.state != nil {
		err = errors.Join(err, v.state.dropOlder(newest))
	}
	return err
}

// Peek returns the newest vault file as it stands, unopened and so unverified: what can be told without a key.
func (v *Vault) Peek(ctx context.Context) (*vault.File, error) {
	found, err := v.generations(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("look into vault %q: %w in %s. Put back %s", v.name, ErrNoVaultFile, vault.Directory, v.state.copyHint())
	}
	return v.readFile(ctx, found[len(found)-1])
}
