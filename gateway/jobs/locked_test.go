package jobs_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/gateway/cache"
	"sallyport/gateway/jobs"
	"sallyport/gateway/objects"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/local"
)

// TestRecoverWithAnotherCustomersKey: an intact file is not called damaged because of the key that was given, and a damaged one is, whichever.
func TestRecoverWithAnotherCustomersKey(t *testing.T) {
	f := fill(t)
	right := customerKey(t)
	f.keyring.Customers = []keys.CustomerKey{right}
	path := f.find("photos", "customer")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := jobs.ParseCustomerKey(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := jobs.ParseCustomerKey(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 1
		return b
	}
	for name, c := range map[string]struct {
		content         []byte
		wrong           bool
		locked, damaged error
	}{
		"wrong key":                    {whole, true, jobs.ErrOtherCustomerKey, nil},
		"wrong key, content altered":   {flip(3000), true, jobs.ErrOtherCustomerKey, nil}, // nobody can tell
		"right key":                    {whole, false, nil, nil},
		"right key, content altered":   {flip(3000), false, nil, object.ErrDamaged},
		"right key, last byte altered": {flip(len(whole) - 1), false, nil, object.ErrDamaged},
		"right key, salt altered":      {flip(len(whole) - object.TailSize + 40), false, nil, object.ErrDamaged},
		"right key, tail's seal":       {flip(len(whole) - object.TailSize + 70), false, nil, object.ErrDamaged},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		given := []keys.CustomerKey{right}
		if c.wrong {
			given = []keys.CustomerKey{wrong}
		}
		for _, among := range [][]keys.CustomerKey{given, {other, given[0]}, {other, given[0], other}} {
			f.keyring.Customers = among
			r, err := f.recover(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			for kind, k := range map[string]struct {
				got  []jobs.Problem
				want error
			}{"locked": {r.Locked, c.locked}, "damaged": {r.Damaged, c.damaged}} {
				if (k.want != nil) != (len(k.got) == 1) || len(k.got) == 1 && !errors.Is(k.got[0].Err, k.want) {
					t.Errorf("%s, among %d keys: %s are %v, want %v", name, len(among), kind, k.got, k.want)
				}
			}
		}
	}
}

// TestRecoverWithAnOlderVaultFile: what was sealed after a change of the password is not damaged, it waits for the newest vault file.
func TestRecoverWithAnOlderVaultFile(t *testing.T) {
	f := &folder{t: t, path: t.TempDir(), objects: map[string][]byte{}}
	d, err := local.Open(t.Context(), &local.Config{Path: f.path, Durability: local.DurabilityOff}, &local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := providers.Open("folder", d, nil)
	v := vaultstest.NewVault(t, vaultstest.Options{Store: store})
	unlock := vaults.Unlock{Key: vaultstest.Key(t)}
	s := objects.New(&objects.Options{Vaults: vaults.NewSet(nil, v), Cache: cache.New(&cache.Options{})})
	if err := s.CreateBucket(t.Context(), "photos"); err != nil {
		t.Fatal(err)
	}
	f.put(s, "photos", "before", content(1, 5000), nil)
	old, err := jobs.FindVaultFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for i, password := range []string{"unlikely Walrus teapot 41", "marble Quokka lantern 98"} {
		if err := v.SetPassword(t.Context(), unlock, secret.NewString(password), "password", i > 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Open(t.Context(), unlock); err != nil {
		t.Fatal(err)
	}
	f.put(s, "photos", "after", content(2, 5000), nil)
	newest, err := jobs.FindVaultFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "out")
	opened, err := old.OpenWithRecoveryKey(unlock.Key)
	if err != nil {
		t.Fatal(err)
	}
	f.keyring = &jobs.Keyring{Vault: opened}
	r, err := f.recover(to)
	if err != nil || r.Restored != 1 || len(r.Damaged) != 0 || len(r.Locked) != 1 || !errors.Is(r.Locked[0].Err, jobs.ErrOlderVaultFile) {
		t.Fatalf("with the older file: %+v, %v", r, err)
	}
	if opened, err = newest.OpenWithRecoveryKey(unlock.Key); err != nil {
		t.Fatal(err)
	}
	f.keyring = &jobs.Keyring{Vault: opened}
	if r, err = f.recover(to); err != nil || r.Restored != 1 || r.AlreadyThere != 1 || len(r.Locked) != 0 {
		t.Fatalf("with the newest: %+v, %v", r, err)
	}
	f.wantAll(to, r)
}

// TestRecoverKeepsOtherVaultsFilesOut: a client uses one key with many vaults, and that it opens a file does not make the file this root's.
func TestRecoverKeepsOtherVaultsFilesOut(t *testing.T) {
	f, other := fill(t), fill(t)
	key := customerKey(t)
	f.keyring.Customers, other.keyring.Customers = []keys.CustomerKey{key}, []keys.CustomerKey{key}
	content, err := os.ReadFile(other.find("photos", "customer"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.path, "strayed"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := jobs.FindVaultFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ring                       *jobs.Keyring
		restored, locked, strayeds int
	}{
		"vault and customer's key":            {f.keyring, len(f.objects) + 1, 1, 1},
		"vault known, customer's key":         {&jobs.Keyring{Customers: []keys.CustomerKey{key}, Of: object.VaultID(file.ID())}, 1, len(f.objects) + 1, 1},
		"customer's key, nothing of a vault":  {&jobs.Keyring{Customers: []keys.CustomerKey{key}}, 2, len(f.objects), 0},
		"vault known, no key but the vault's": {&jobs.Keyring{Vault: f.keyring.Vault}, len(f.objects), 2, 1},
	} {
		r, err := jobs.Recover(t.Context(), &jobs.RecoverOptions{From: f.path, To: filepath.Join(t.TempDir(), "out"), Keyring: c.ring})
		if err != nil || r.Restored != c.restored || len(r.Locked) != c.locked || len(r.Damaged)+len(r.Foreign) != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		strayeds := 0
		for _, p := range r.Locked {
			if errors.Is(p.Err, jobs.ErrOtherVault) {
				strayeds++
				if p.Path != "strayed" {
					t.Errorf("%s: %s is said to be of another vault", name, p.Path)
				}
			}
		}
		if strayeds != c.strayeds {
			t.Errorf("%s: %d files of another vault, want %d: %v", name, strayeds, c.strayeds, r.Locked)
		}
	}
}
