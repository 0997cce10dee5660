package vault_test

import (
	"context"
	"errors"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

const (
	goodPassword  = "violet kettle orbit 93"
	otherPassword = "maple tundra clock 51"
)

// newHasher costs as little as the format allows.
func newHasher(t testing.TB) *vault.Hasher {
	t.Helper()
	hasher, err := vault.NewHasher(vault.Cost{Time: 1, MemoryKiB: 19 << 10, Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

func newVault(t testing.TB, options vault.Options) (*vault.Opened, vault.RecoveryKey) {
	t.Helper()
	opened, key, err := vault.Create(t.Context(), newHasher(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened, key
}

// reread parses what would be stored.
func reread(t testing.TB, opened *vault.Opened) *vault.File {
	t.Helper()
	file, err := vault.Parse(opened.File().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// requireSameKeys fails unless two openings hold the same keys.
func requireSameKeys(t testing.TB, a, b *vault.Opened) {
	t.Helper()
	if a.ID() != b.ID() || a.Epoch() != b.Epoch() || len(a.Epochs()) != len(b.Epochs()) || a.Settings() != b.Settings() {
		t.Fatalf("opened %s epoch %d, and %s epoch %d", a.ID(), a.Epoch(), b.ID(), b.Epoch())
	}
	for _, epoch := range a.Epochs() {
		one, err := a.VRK(epoch)
		if err != nil {
			t.Fatal(err)
		}
		two, err := b.VRK(epoch)
		if err != nil {
			t.Fatal(err)
		}
		if !one.Equal(two) {
			t.Errorf("keys of epoch %d differ", epoch)
		}
	}
	one, err := a.VNK()
	if err != nil {
		t.Fatal(err)
	}
	two, err := b.VNK()
	if err != nil {
		t.Fatal(err)
	}
	if !one.Equal(two) {
		t.Error("name keys differ")
	}
}

func TestCreateAndOpen(t *testing.T) {
	created, key := newVault(t, vault.Options{Password: secret.NewString(goodPassword), ETag: vault.ETagOpaque})
	if created.Generation() != 1 || created.Epoch() != 1 || created.Settings() != (vault.Settings{Names: vault.NamesPlain, ETag: vault.ETagOpaque, KeyMax: 900}) {
		t.Errorf("generation %d epoch %d settings %+v", created.Generation(), created.Epoch(), created.Settings())
	}
	slots := reread(t, created).Slots()
	if len(slots) != 2 || slots[0].Type != vault.SlotRecovery || slots[1].Type != vault.SlotPassword {
		t.Errorf("slots %+v, want the recovery slot first", slots)
	}
	byKey, err := reread(t, created).OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	requireSameKeys(t, created, byKey)
	byPassword, err := reread(t, created).OpenWithPassword(t.Context(), newHasher(t), secret.NewString(goodPassword))
	if err != nil {
		t.Fatal(err)
	}
	requireSameKeys(t, created, byPassword)
	if with, ok := byPassword.OpenedWith(); !ok || with.Type != vault.SlotPassword {
		t.Errorf("opened with %+v", with)
	}
}

func TestWrongKeysOpenNothing(t *testing.T) {
	created, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	if _, err := created.File().OpenWithRecoveryKey(vault.NewRecoveryKey()); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("another recovery key: %v", err)
	}
	if _, err := created.File().OpenWithRecoveryKey(vault.RecoveryKey{}); !errors.Is(err, vault.ErrRecoveryKeyText) {
		t.Errorf("no recovery key: %v", err)
	}
	for _, wrong := range []string{otherPassword, goodPassword + " ", "Violet kettle orbit 93"} {
		if _, err := created.File().OpenWithPassword(t.Context(), newHasher(t), secret.NewString(wrong)); !errors.Is(err, vault.ErrWrongKey) {
			t.Errorf("password %q: %v", wrong, err)
		}
	}
	if _, err := created.File().OpenWithPassword(t.Context(), newHasher(t), secret.String{}); err == nil {
		t.Error("an empty password opened the vault")
	}
}

func TestOpenWithPasswordEndsWithItsContext(t *testing.T) {
	created, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	cause := errors.New("the server stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := created.File().OpenWithPassword(ctx, newHasher(t), secret.NewString(goodPassword)); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}
