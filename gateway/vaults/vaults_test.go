package vaults_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/vaults"
	"sallyport/gateway/vaults/vaultstest"
	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// root is a backend with a gateway's state directory beside it.
type root struct {
	t       *testing.T
	backend *mem.Driver
	store   *providers.Store
	state   string
}

func newRoot(t *testing.T) *root {
	t.Helper()
	d := mem.New(&mem.Options{MaxKey: 2048})
	return &root{t: t, backend: d, store: providers.Open("memory", d, nil), state: t.TempDir()}
}

// vault returns the vault as a gateway with the given state directory sees it; "" = none.
func (r *root) vault(state string) *vaults.Vault {
	r.t.Helper()
	opts := &vaults.Options{Name: "home", Store: r.store, Patterns: []string{"*"}, Hasher: vaultstest.Hasher(r.t)}
	if state != "" {
		opts.State = vaults.NewStateDir(state, "home")
	}
	return vaults.New(opts)
}

func (r *root) create(password string) *vaults.Vault {
	r.t.Helper()
	v := r.vault(r.state)
	create := &vaults.CreateOptions{Key: vaultstest.Key(r.t), ETag: vault.ETagMD5}
	if password != "" {
		create.Password = secret.NewString(password)
	}
	if err := v.Create(r.t.Context(), create); err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *root) file(generation uint64) []byte {
	r.t.Helper()
	return r.read(vault.Directory + vault.FileName(generation))
}

func (r *root) read(key string) []byte {
	r.t.Helper()
	body, _, err := r.backend.Get(r.t.Context(), key, &driver.GetOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	b, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *root) plant(key string, b []byte) {
	r.t.Helper()
	if _, err := r.backend.Put(r.t.Context(), key, bytes.NewReader(b), int64(len(b)), &driver.PutOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *root) remove(key string) {
	r.t.Helper()
	if err := r.backend.Delete(r.t.Context(), key, &driver.DeleteOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func withKey(t *testing.T) vaults.Unlock { return vaults.Unlock{Key: vaultstest.Key(t)} }

func withPassword(p string) vaults.Unlock { return vaults.Unlock{Password: secret.NewString(p)} }

const (
	firstPassword  = "unlikely Walrus teapot 41"
	secondPassword = "marble Quokka lantern 98"
)

func TestOpenWithKeyAndPassword(t *testing.T) {
	r := newRoot(t)
	r.create(firstPassword)
	for name, unlock := range map[string]vaults.Unlock{"key": withKey(t), "password": withPassword(firstPassword)} {
		v := r.vault(r.state)
		if _, err := v.ID(); !errors.Is(err, vaults.ErrLocked) {
			t.Errorf("%s: before opening: %v", name, err)
		}
		if err := v.Open(t.Context(), unlock); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		id, err := v.NewIdentity(object.ModeVault)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.ObjectSecret(id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		v.Lock()
		if _, err := v.ObjectSecret(id); !errors.Is(err, vaults.ErrLocked) {
			t.Errorf("%s: after locking: %v", name, err)
		}
	}
	if err := r.vault(r.state).Open(t.Context(), withPassword("wrong Password entirely 7")); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("wrong password: %v", err)
	}
}

// TestStateKeepsAWholeCopy: a copy of the vault file that is damaged would be found so on the day the root's own is gone. What is whole is not
// written again: a folder that nothing can be written to opens too.
func TestStateKeepsAWholeCopy(t *testing.T) {
	r := newRoot(t)
	r.create("")
	dir := filepath.Join(r.state, "vaults", "home")
	name := filepath.Join(dir, vault.FileName(1))
	for _, damage := range [][]byte{r.file(1)[:40], append(r.file(1), 'x'), nil} {
		if err := os.WriteFile(name, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
			t.Fatal(err)
		}
		if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, r.file(1)) {
			t.Errorf("the copy holds %d bytes, %v", len(kept), err)
		}
	}
	before, err := os.Stat(filepath.Join(dir, "pin.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(filepath.Join(dir, "pin.json")); err != nil || !os.SameFile(before, after) {
		t.Errorf("the pin was written again: %v", err)
	}
}

func TestCreateNeverReplacesAVault(t *testing.T) {
	r := newRoot(t)
	v := r.create("")
	before := r.file(1)
	if err := v.Create(t.Context(), &vaults.CreateOptions{Key: vaultstest.Key(t)}); !errors.Is(err, vaults.ErrVaultExists) {
		t.Errorf("create again: %v", err)
	}
	if !bytes.Equal(before, r.file(1)) {
		t.Fatal("the vault file was changed")
	}
	// The root lost its vault file: this gateway knows that there was one, and where a copy is.
	r.remove(vault.Directory + vault.FileName(1))
	err := r.vault(r.state).Create(t.Context(), &vaults.CreateOptions{Key: vaultstest.Key(t)})
	if !errors.Is(err, vaults.ErrVaultExists) || !strings.Contains(err.Error(), r.state) {
		t.Errorf("create after the loss of the vault file: %v", err)
	}
	err = r.vault(r.state).Open(t.Context(), withKey(t))
	if !errors.Is(err, vaults.ErrNoVaultFile) || !strings.Contains(err.Error(), filepath.Join(r.state, "vaults", "home", "0000000001.json")) {
		t.Errorf("open after the loss of the vault file: %v", err)
	}
	// A gateway that knows nothing still refuses while objects are there.
	r.plant("bucket/key", []byte("x"))
	if err := r.vault("").Create(t.Context(), &vaults.CreateOptions{Key: vaultstest.Key(t)}); err == nil {
		t.Error("a vault was made in a root that holds objects")
	}
}

// TestCheckCreateRefusesWhatCreateWould: before a key is shown, everything that can refuse is asked.
func TestCheckCreateRefusesWhatCreateWould(t *testing.T) {
	fresh := newRoot(t)
	good := &vaults.CreateOptions{Key: vaultstest.Key(t), Password: secret.NewString(firstPassword)}
	if err := fresh.vault(fresh.state).CheckCreate(t.Context(), good); err != nil {
		t.Errorf("an empty root: %v", err)
	}
	if exists, err := fresh.vault(fresh.state).Exists(t.Context()); exists || err != nil {
		t.Errorf("the check made a vault: %v", err)
	}
	if used, err := vaults.NewStateDir(fresh.state, "home").Remembers(); used || err != nil {
		t.Errorf("the check is remembered as a vault: %v", err)
	}
	full, blocked, plain := newRoot(t), filepath.Join(t.TempDir(), "file"), newRoot(t)
	full.plant("bucket/key", []byte("x"))
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	weakBackend := providers.Open("weak", mem.New(&mem.Options{NoPutIfNoneMatch: true}), nil)
	made := newRoot(t)
	made.create("")
	for name, c := range map[string]struct {
		v      *vaults.Vault
		create *vaults.CreateOptions
		says   string
	}{
		"a vault":         {made.vault(""), good, "exists"},
		"an object":       {full.vault(""), good, "not empty"},
		"a weak password": {plain.vault(""), &vaults.CreateOptions{Password: secret.NewString("password")}, "easy to guess"},
		"a weak backend": {
			vaults.New(&vaults.Options{Name: "home", Store: weakBackend, Patterns: []string{"*"}, Hasher: vaultstest.Hasher(t)}), good, "only if it is absent",
		},
		"no state": {plain.vault(blocked), good, blocked},
	} {
		check, create := c.v.CheckCreate(t.Context(), c.create), c.v.Create(t.Context(), c.create)
		if check == nil || create == nil || !strings.Contains(check.Error(), c.says) || !strings.Contains(create.Error(), c.says) {
			t.Errorf("%s: checked %v, created %v", name, check, create)
		}
	}
}

// A probe that was killed, of a driver or of doctor, leaves objects of which nobody should have to know.
func TestWhatProbesLeftIsNoObstacle(t *testing.T) {
	for name, more := range map[string]string{"nothing else": "", "an object before it": ".a", "one behind it": "bucket/key", "a vault's": ".sallyport/vault/x"} {
		r := newRoot(t)
		r.plant(".sallyport/probe/1/read", []byte("x"))
		r.plant(".sallyport/probe/\U0010ff00/read", []byte("x"))
		if more != "" {
			r.plant(more, []byte("x"))
		}
		err := r.vault("").Create(t.Context(), &vaults.CreateOptions{Key: vaultstest.Key(t)})
		if more == "" && err != nil || more != "" && (err == nil || !strings.Contains(err.Error(), more)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRacingCreatesMakeOneVault(t *testing.T) {
	r := newRoot(t)
	var wg sync.WaitGroup
	var made atomic.Int32
	for range 16 {
		wg.Go(func() {
			if r.vault("").Create(context.WithoutCancel(t.Context()), &vaults.CreateOptions{Key: vaultstest.Key(t)}) == nil {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d vaults were made", made.Load())
	}
}

func TestRollbackIsRefusedOncePinned(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	old := r.file(1)
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", true); err != nil {
		t.Fatal(err)
	}
	newer := r.file(2)
	r.remove(vault.Directory + vault.FileName(2))
	r.plant(vault.Directory+vault.FileName(1), old)
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("an older vault file: %v", err)
	}
	r.plant(vault.Directory+vault.FileName(3), old)
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); err == nil {
		t.Error("an older vault file under a higher number was accepted")
	}
	r.remove(vault.Directory + vault.FileName(3))
	r.plant(vault.Directory+vault.FileName(2), newer)
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
		t.Errorf("the right file put back: %v", err)
	}
	// Another vault altogether, opened by the same key.
	other := newRoot(t)
	other.create("")
	r.remove(vault.Directory + vault.FileName(2))
	r.plant(vault.Directory+vault.FileName(1), other.file(1))
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); !errors.Is(err, vault.ErrOtherVault) {
		t.Errorf("another vault's file: %v", err)
	}
}

// TestForgedNewerFileIsRefusedOncePinned: who was removed still has all that the old file opened, and writes a newer one that everybody's keys open. Only
// the pin's look into the opened file tells it from the vault's own.
func TestForgedNewerFileIsRefusedOncePinned(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	old := r.file(1)
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "password", true); err != nil {
		t.Fatal(err)
	}
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	stolen, err := vault.Parse(old)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := stolen.OpenWithPassword(t.Context(), vaultstest.Hasher(t), secret.NewString(firstPassword))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if forged, err = forged.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	r.plant(vault.Directory+vault.FileName(3), forged.File().Bytes())
	if err := r.vault("").Open(t.Context(), withKey(t)); err != nil {
		t.Fatalf("the attack fails for another reason: %v", err)
	}
	for range 2 { // nor is it believed the second time
		again := r.vault(r.state)
		if err := again.Open(t.Context(), withKey(t)); !errors.Is(err, vault.ErrForged) {
			t.Errorf("a forged newer file: %v", err)
		}
		if _, err := again.ID(); !errors.Is(err, vaults.ErrLocked) {
			t.Errorf("the vault is open after that: %v", err)
		}
	}
	r.remove(vault.Directory + vault.FileName(3))
	if err := r.vault(r.state).Open(t.Context(), withKey(t)); err != nil {
		t.Errorf("the vault's own file is not taken any more: %v", err)
	}
}

func TestChangedPassword(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	if err := v.Open(t.Context(), withKey(t)); err != nil {
		t.Fatal(err)
	}
	oldIdentity, err := v.NewIdentity(object.ModeVault)
	if err != nil {
		t.Fatal(err)
	}
	accessBefore, _, err := v.OwnerCredential()
	if err != nil {
		t.Fatal(err)
	}
	// Two generations, the older of which the root has lost: its copy is still there.
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString("narrow Badger piano 55"), "another", false); err != nil {
		t.Fatal(err)
	}
	r.remove(vault.Directory + vault.FileName(1))
	if err := v.SetPassword(t.Context(), withPassword(firstPassword), secret.NewString(secondPassword), "password", true); err != nil {
		t.Fatal(err)
	}
	if err := r.vault(r.state).Open(t.Context(), withPassword(firstPassword)); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("the old password: %v", err)
	}
	n := r.vault(r.state)
	if err := n.Open(t.Context(), withPassword(secondPassword)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.ObjectSecret(oldIdentity); err != nil {
		t.Errorf("objects of the old epoch: %v", err)
	}
	id, err := n.NewIdentity(object.ModeVault)
	if err != nil {
		t.Fatal(err)
	}
	if id.Epoch <= oldIdentity.Epoch {
		t.Errorf("new objects are sealed under epoch %d, the old password knows %d", id.Epoch, oldIdentity.Epoch)
	}
	if accessAfter, _, err := n.OwnerCredential(); err != nil || accessAfter == accessBefore {
		t.Errorf("the S3 access key is still the one the old password derives (%v)", err)
	}
	if _, err := v.ObjectSecret(id); !errors.Is(err, vaults.ErrUnknownEpoch) {
		t.Errorf("a gateway with the old file in memory: %v", err)
	}
	for _, g := range []uint64{1, 2} {
		if _, err := os.Stat(filepath.Join(r.state, "vaults", "home", vault.FileName(g))); err == nil {
			t.Errorf("the copy of generation %d, which the old password opens, is left in the state directory", g)
		}
	}
	page, err := r.backend.List(t.Context(), &driver.ListOptions{Prefix: vault.Directory})
	if err != nil || len(page.Entries) != 1 {
		t.Errorf("vault files left: %+v, %v", page, err)
	}
}

func TestAddedPasswordKeepsTheOthers(t *testing.T) {
	r := newRoot(t)
	v := r.create(firstPassword)
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "laptop", false); err != nil {
		t.Fatal(err)
	}
	for _, u := range []vaults.Unlock{withKey(t), withPassword(firstPassword), withPassword(secondPassword)} {
		if err := r.vault(r.state).Open(t.Context(), u); err != nil {
			t.Error(err)
		}
	}
	var weak *vault.WeakPasswordError
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString("password"), "x", false); !errors.As(err, &weak) {
		t.Errorf("weak password: %v", err)
	}
	if err := v.SetPassword(t.Context(), withKey(t), secret.NewString(secondPassword), "nowhere", true); err == nil {
		t.Error("a password that is not there was changed")
	}
}

// TestDamagedVaultFile alters the vault file byte by byte: it opens as itself or not at all.
func TestDamagedVaultFile(t *testing.T) {
	r := newRoot(t)
	r.create("")
	good := r.file(1)
	for i := 0; i < len(good); i += 7 {
		bad := bytes.Clone(good)
		bad[i] ^= 4
		r.plant(vault.Directory+vault.FileName(1), bad)
		if err := r.vault("").Open(t.Context(), withKey(t)); err == nil {
			t.Fatalf("byte %d altered and opened", i)
		}
	}
}
