package vaults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/config/secret"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
)

// changeElsewhere has another gateway change the password, which begins a new epoch.
func changeElsewhere(t *testing.T, r *root, password string) {
	t.Helper()
	if err := r.vault("").SetPassword(t.Context(), withKey(t), secret.NewString(password), "password", true); err != nil {
		t.Fatal(err)
	}
}

// newest returns the identity of an object that a gateway started now would seal.
func newest(t *testing.T, r *root) object.Identity {
	t.Helper()
	v := r.vault("")
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	id, err := v.NewIdentity(object.ModeVault)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRenew: a vault that is open takes the newer file when it meets its epoch, and seals under it from then on.
func TestRenew(t *testing.T) {
	r := newRoot(t)
	r.create(firstPassword)
	v := r.vault(r.state)
	if err := v.Open(t.Context(), withPassword(firstPassword)); err != nil {
		t.Fatal(err)
	}
	before, err := v.NewIdentity(object.ModeVault)
	if err != nil {
		t.Fatal(err)
	}
	old, err := v.ObjectSecret(before)
	if err != nil {
		t.Fatal(err)
	}
	password, read := firstPassword, 0
	var taken []uint64
	now := time.Unix(1_800_000_000, 0)
	v.RenewBy(&vaults.Renewal{
		Unlock: func(context.Context) (vaults.Unlock, error) { read++; return withPassword(password), nil },
		Done:   func(generation uint64) { taken = append(taken, generation) },
		Now:    func() time.Time { return now },
	})
	if renewed, err := v.Renew(t.Context()); renewed || err != nil || read != 0 {
		t.Errorf("nothing is newer: %v, %v, read %d times", renewed, err, read)
	}
	changeElsewhere(t, r, secondPassword)
	id := newest(t, r)

	// The configuration still names the old password. It is tried once a minute, however many ask.
	for range 3 {
		if err := v.LearnEpoch(t.Context(), id.Epoch); !errors.Is(err, vaults.ErrUnknownEpoch) || !errors.Is(err, vault.ErrWrongKey) || !strings.Contains(err.Error(), "new password") {
			t.Errorf("with the old password: %v", err)
		}
	}
	if read != 1 {
		t.Errorf("the old password was tried %d times", read)
	}
	if _, err := v.ObjectSecret(before); err != nil {
		t.Errorf("the vault is not open any more: %v", err)
	}
	password = secondPassword
	now = now.Add(time.Minute)
	if err := v.LearnEpoch(t.Context(), id.Epoch); err != nil {
		t.Fatal(err)
	}
	if generation, _ := v.Generation(); !slices.Equal(taken, []uint64{generation}) {
		t.Errorf("generations %v were told, open is %d", taken, generation)
	}
	if _, err := v.ObjectSecret(id); err != nil {
		t.Errorf("what was sealed elsewhere: %v", err)
	}
	if again, err := v.ObjectSecret(before); err != nil || !again.Equal(old) {
		t.Errorf("what was sealed before: %v", err)
	}
	if next, err := v.NewIdentity(object.ModeVault); err != nil || next.Epoch != id.Epoch {
		t.Errorf("it seals under epoch %d, %v; the newest is %d", next.Epoch, err, id.Epoch)
	}
	// An epoch that nobody knows is somebody's invention.
	if err := v.LearnEpoch(t.Context(), id.Epoch+1); !errors.Is(err, vaults.ErrUnknownEpoch) || read != 2 {
		t.Errorf("%v, and what opens the vault was read %d times", err, read)
	}
}

// TestRenewReadsBuckets: the record of a bucket that was made under the new keys.
func TestRenewReadsBuckets(t *testing.T) {
	for _, told := range []bool{false, true} {
		r := newRoot(t)
		r.create(firstPassword)
		v := r.vault(r.state)
		if err := v.Open(t.Context(), withKey(t)); err != nil {
			t.Fatal(err)
		}
		if told {
			v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return withKey(t), nil }})
		}
		changeElsewhere(t, r, secondPassword)
		other := r.vault("")
		if err := other.Open(t.Context(), withKey(t)); err != nil {
			t.Fatal(err)
		}
		if err := vaults.NewSet(nil, other).CreateBucket(t.Context(), "bucket"); err != nil {
			t.Fatal(err)
		}
		_, err := vaults.NewSet(nil, v).Bucket(t.Context(), "bucket")
		if told != (err == nil) || !told && !errors.Is(err, vault.ErrUnknownEpoch) {
			t.Errorf("told %v: %v", told, err)
		}
	}
}

// TestRenewTakesNothingElse: an older file under a newer name, a damaged one, and none for a vault that is locked.
func TestRenewTakesNothingElse(t *testing.T) {
	r := newRoot(t)
	r.create(firstPassword)
	v := r.vault(r.state)
	v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return withKey(t), nil }})
	if renewed, err := v.Renew(t.Context()); renewed || err != nil {
		t.Errorf("locked: %v, %v", renewed, err)
	}
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	file := r.file(1)
	for name, forged := range map[string][]byte{"the old one": file, "damaged": append(bytes.Clone(file[:40]), file[41:]...)} {
		r.plant(vault.Directory+vault.FileName(2), forged)
		if renewed, err := v.Renew(t.Context()); renewed || err == nil || strings.Contains(err.Error(), "password") { // nobody's configuration is wrong
			t.Errorf("%s: %v, %v", name, renewed, err)
		}
		if generation, ok := v.Generation(); !ok || generation != 1 {
			t.Errorf("%s: generation %d, open %v", name, generation, ok)
		}
	}
}

// TestRenewTriesOneFileAMinute: who can write to the root can put a file of another number there each time, and each would cost a password's 256 MiB.
func TestRenewTriesOneFileAMinute(t *testing.T) {
	r := newRoot(t)
	r.create(firstPassword)
	v := r.vault(r.state)
	if err := v.Open(t.Context(), withPassword(firstPassword)); err != nil {
		t.Fatal(err)
	}
	tried := 0
	now := time.Unix(1_800_000_000, 0)
	v.RenewBy(&vaults.Renewal{
		Unlock: func(context.Context) (vaults.Unlock, error) { tried++; return withPassword(firstPassword), nil },
		Now:    func() time.Time { return now },
	})
	for generation := range uint64(4) {
		r.plant(vault.Directory+vault.FileName(generation+2), r.file(1))
		if _, err := v.Renew(t.Context()); !errors.Is(err, vault.ErrForged) {
			t.Errorf("file %d: %v", generation+2, err)
		}
	}
	if tried != 1 {
		t.Errorf("%d files were tried within a minute", tried)
	}
	now = now.Add(time.Minute)
	if _, err := v.Renew(t.Context()); err == nil || tried != 2 {
		t.Errorf("a minute later: %v, %d files tried", err, tried)
	}
}

// meanwhile is a backend on which something happens once, right after a vault file was read.
type meanwhile struct {
	driver.Driver
	happens func()
}

func (m *meanwhile) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	body, info, err := m.Driver.Get(ctx, key, opts)
	if happens := m.happens; happens != nil && key == vault.Directory+vault.FileName(2) {
		m.happens = nil
		happens()
	}
	return body, info, err
}

// TestRenewForgetsNothing: while a running gateway opens a vault file, a command beside it replaces a password. What the state directory says of that
// must stand, or the storage could bring the replaced password back.
func TestRenewForgetsNothing(t *testing.T) {
	r := newRoot(t)
	r.create(firstPassword)
	backend := &meanwhile{Driver: r.backend}
	v := vaults.New(&vaults.Options{
		Name: "home", Store: providers.Open("memory", backend, nil), Patterns: []string{"*"}, State: vaults.NewStateDir(r.state, "home"), Hasher: vaultstest.Hasher(t),
	})
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return withKey(t), nil }})
	command := r.vault(r.state)
	if err := command.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "second", false); err != nil {
		t.Fatal(err)
	}
	older := r.file(2)
	backend.happens = func() {
		if err := command.SetPassword(t.Context(), withKey(t), secret.NewString("granite Pelican sonnet 77"), "password", true); err != nil {
			t.Error(err)
		}
	}
	if renewed, err := v.Renew(t.Context()); renewed || !errors.Is(err, vault.ErrRollback) {
		t.Errorf("%v, %v", renewed, err)
	}
	r.remove(vault.Directory + vault.FileName(3))
	r.plant(vault.Directory+vault.FileName(2), older)
	if err := r.vault(r.state).Open(t.Context(), withPassword(firstPassword)); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("the storage brought the replaced password back: %v", err)
	}
}

// TestRenewChecksNoCostlyPassword: the file says what its passwords cost, up to 2 GiB each, and whoever can write to the root makes the file. A running gateway
// must not be brought down by that; a start takes it.
func TestRenewChecksNoCostlyPassword(t *testing.T) {
	for name, cost := range map[string]vault.Cost{
		"memory": {Time: 1, MemoryKiB: 20 << 10, Lanes: 1}, "passes": {Time: 2, MemoryKiB: 19 << 10, Lanes: 1}, "lanes": {Time: 1, MemoryKiB: 19 << 10, Lanes: 2},
	} {
		r := newRoot(t)
		r.create(firstPassword)
		hasher, err := vault.NewHasher(cost)
		if err != nil {
			t.Fatal(err)
		}
		byPassword, byKey := r.vault(""), r.vault("")
		for v, unlock := range map[*vaults.Vault]vaults.Unlock{byPassword: withPassword(firstPassword), byKey: withKey(t)} {
			if err := v.Open(t.Context(), unlock); err != nil {
				t.Fatal(err)
			}
			v.RenewBy(&vaults.Renewal{Unlock: func(context.Context) (vaults.Unlock, error) { return unlock, nil }})
		}
		elsewhere := vaults.New(&vaults.Options{Name: "home", Store: r.store, Patterns: []string{"*"}, Hasher: hasher})
		if err := elsewhere.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "costly", false); err != nil {
			t.Fatal(err)
		}
		if renewed, err := byPassword.Renew(t.Context()); renewed || err == nil || !strings.Contains(err.Error(), "restart the gateway") {
			t.Errorf("%s: %v, %v", name, renewed, err)
		}
		if renewed, err := byKey.Renew(t.Context()); !renewed || err != nil {
			t.Errorf("%s, with the key: %v, %v", name, renewed, err)
		}
		if err := r.vault("").Open(t.Context(), withPassword(secondPassword)); err != nil {
			t.Errorf("%s, at a start: %v", name, err)
		}
	}
}
