package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

func requireOpensWithPassword(t *testing.T, file *vault.File, password string, want error) *vault.Opened {
	t.Helper()
	opened, err := file.OpenWithPassword(t.Context(), newHasher(t), secret.NewString(password))
	if !errors.Is(err, want) {
		t.Fatalf("open with %q: %v, want %v", password, err, want)
	}
	return opened
}

func slotOf(t *testing.T, opened *vault.Opened, kind vault.SlotType) vault.SlotID {
	t.Helper()
	slots := opened.File().Slots()
	i := slices.IndexFunc(slots, func(s vault.SlotInfo) bool { return s.Type == kind })
	if i < 0 {
		t.Fatalf("no slot of type %s", kind)
	}
	return slots[i].ID
}

func TestAddPasswordKeepsKeysAndSlots(t *testing.T) {
	first, key := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	before := bytes.Clone(first.File().Bytes())
	second, err := first.AddPassword(t.Context(), newHasher(t), secret.NewString(otherPassword), "laptop")
	if err != nil {
		t.Fatal(err)
	}
	if second.Generation() != 2 || second.Epoch() != 1 || second.File().Name() != "0000000002.json" {
		t.Errorf("generation %d epoch %d name %s", second.Generation(), second.Epoch(), second.File().Name())
	}
	file := reread(t, second)
	requireSameKeys(t, first, requireOpensWithPassword(t, file, goodPassword, nil))
	requireSameKeys(t, first, requireOpensWithPassword(t, file, otherPassword, nil))
	byKey, err := file.OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	requireSameKeys(t, first, byKey)
	if slots := file.Slots(); len(slots) != 3 || slots[2].Label != "laptop" || slots[0].Type != vault.SlotRecovery {
		t.Errorf("slots %+v", slots)
	}
	if !bytes.Equal(first.File().Bytes(), before) || first.Generation() != 1 {
		t.Error("the old generation changed")
	}
	requireOpensWithPassword(t, first.File(), otherPassword, vault.ErrWrongKey)
}

func TestChangedPasswordOpensNothingNew(t *testing.T) {
	first, key := newVault(t, vault.Options{Password: secret.NewString(goodPassword), PasswordLabel: "desk"})
	old := slotOf(t, first, vault.SlotPassword)
	second, err := first.ChangePassword(t.Context(), newHasher(t), old, secret.NewString(otherPassword))
	if err != nil {
		t.Fatal(err)
	}
	file := reread(t, second)
	requireOpensWithPassword(t, file, goodPassword, vault.ErrWrongKey)
	opened := requireOpensWithPassword(t, file, otherPassword, nil)
	if opened.Epoch() != 2 || !slices.Equal(opened.Epochs(), []uint32{1, 2}) {
		t.Errorf("epoch %d of %v", opened.Epoch(), opened.Epochs())
	}
	if slots := file.Slots(); len(slots) != 2 || slots[1].ID == old || slots[1].Label != "desk" {
		t.Errorf("slots %+v", slots)
	}
	// What was written before stays readable; what is written now has a key that the old password never opened.
	oldRoot, err := first.VRK(1)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := opened.VRK(1)
	if err != nil || !kept.Equal(oldRoot) {
		t.Errorf("the key of epoch 1 was not kept: %v", err)
	}
	fresh, err := opened.VRK(2)
	if err != nil || fresh.Equal(oldRoot) {
		t.Errorf("epoch 2 has the old key, %v", err)
	}
	if _, err := first.VRK(2); !errors.Is(err, vault.ErrUnknownEpoch) {
		t.Errorf("the old generation knows epoch 2: %v", err)
	}
	if byKey, err := file.OpenWithRecoveryKey(key); err != nil {
		t.Error(err)
	} else {
		requireSameKeys(t, opened, byKey)
	}
	// The copy taken before the change still opens: nothing can be done about that, and the documentation says so.
	requireOpensWithPassword(t, first.File(), goodPassword, nil)
}

func TestChangePasswordWantsAPasswordSlot(t *testing.T) {
	first, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	for _, id := range []vault.SlotID{{}, slotOf(t, first, vault.SlotRecovery)} {
		if _, err := first.ChangePassword(t.Context(), newHasher(t), id, secret.NewString(otherPassword)); !errors.Is(err, vault.ErrNoSlot) {
			t.Errorf("slot %s: %v", id, err)
		}
	}
	if _, err := first.ReplaceRecoveryKey(slotOf(t, first, vault.SlotPassword), vault.NewRecoveryKey()); !errors.Is(err, vault.ErrNoSlot) {
		t.Errorf("a password slot as recovery slot: %v", err)
	}
}

func TestRemovedSlotOpensNothingNew(t *testing.T) {
	first, key := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	second, err := first.RemoveSlot(slotOf(t, first, vault.SlotPassword))
	if err != nil {
		t.Fatal(err)
	}
	requireOpensWithPassword(t, reread(t, second), goodPassword, vault.ErrWrongKey)
	if opened, err := reread(t, second).OpenWithRecoveryKey(key); err != nil || opened.Epoch() != 2 {
		t.Errorf("%v", err)
	}
	if _, err := second.RemoveSlot(slotOf(t, second, vault.SlotRecovery)); !errors.Is(err, vault.ErrLastRecoverySlot) {
		t.Errorf("the only 64-digit key: %v", err)
	}
	if _, err := first.RemoveSlot(vault.SlotID{1}); !errors.Is(err, vault.ErrNoSlot) {
		t.Errorf("an unknown slot: %v", err)
	}
}

func TestReplacedRecoveryKeyOpensNothingNew(t *testing.T) {
	first, old := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	fresh := vault.NewRecoveryKey()
	second, err := first.ReplaceRecoveryKey(slotOf(t, first, vault.SlotRecovery), fresh)
	if err != nil {
		t.Fatal(err)
	}
	file := reread(t, second)
	if _, err := file.OpenWithRecoveryKey(old); !errors.Is(err, vault.ErrWrongKey) {
		t.Errorf("the old key: %v", err)
	}
	if opened, err := file.OpenWithRecoveryKey(fresh); err != nil || opened.Epoch() != 2 {
		t.Errorf("the new key: %v", err)
	}
	if file.Slots()[0].Type != vault.SlotRecovery {
		t.Error("the recovery slot does not come first")
	}
	if _, ok := second.OpenedWith(); ok {
		t.Error("a slot that is gone is said to have opened the vault")
	}
	if _, err := first.ReplaceRecoveryKey(slotOf(t, first, vault.SlotRecovery), vault.RecoveryKey{}); err == nil {
		t.Error("no key was taken for a key")
	}
}

func TestRotateKeepsEverythingReadable(t *testing.T) {
	opened, key := newVault(t, vault.Options{})
	for want := uint32(2); want <= 5; want++ {
		next, err := opened.Rotate()
		if err != nil {
			t.Fatal(err)
		}
		if next.Epoch() != want || next.Generation() != uint64(want) || len(next.Epochs()) != int(want) {
			t.Errorf("epoch %d generation %d", next.Epoch(), next.Generation())
		}
		opened = next
	}
	byKey, err := reread(t, opened).OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	requireSameKeys(t, opened, byKey)
}

// Nothing of one generation is used again in the next but what has to be.
func TestGenerationsShareNoSealedBytes(t *testing.T) {
	first, _ := newVault(t, vault.Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	one, two := jsonOf(t, first.File()), jsonOf(t, second.File())
	if one["keyring"] == two["keyring"] || slotField(one, 0, "krk") == slotField(two, 0, "krk") {
		t.Error("keyring or its key were not sealed anew")
	}
	if slotField(one, 0, "sk") != slotField(two, 0, "sk") || slotField(one, 0, "pk") != slotField(two, 0, "pk") {
		t.Error("a slot that nobody opened changed")
	}
}

func TestRefusedChangesLeaveNothing(t *testing.T) {
	first, _ := newVault(t, vault.Options{})
	if _, err := first.AddPassword(t.Context(), newHasher(t), secret.NewString("short"), ""); err == nil {
		t.Error("a weak password was taken")
	}
	for _, label := range []string{"a\nb", "\x1b[31m", string(make([]byte, 129)), "\xff", fmt.Sprintf("%0129d", 0)} {
		if _, err := first.AddPassword(t.Context(), newHasher(t), secret.NewString(goodPassword), label); err == nil {
			t.Errorf("label %q was taken", label)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := first.AddPassword(ctx, newHasher(t), secret.NewString(goodPassword), ""); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, _, err := vault.Create(t.Context(), newHasher(t), vault.Options{Password: secret.NewString("short")}); err == nil {
		t.Error("a weak password was taken at creation")
	}
	for _, options := range []vault.Options{{Names: "siv"}, {Names: "x"}, {ETag: "x"}, {KeyMax: 1}, {KeyMax: 1 << 20}, {RecoveryLabel: "\n"}} {
		if _, _, err := vault.Create(t.Context(), newHasher(t), options); err == nil {
			t.Errorf("%+v was taken", options)
		}
	}
}

func TestSlotsAreBounded(t *testing.T) {
	opened, _ := newVault(t, vault.Options{})
	for i := 1; ; i++ {
		next, err := opened.AddPassword(t.Context(), newHasher(t), secret.NewString(goodPassword), "")
		if i < 16 {
			if err != nil {
				t.Fatalf("slot %d: %v", i+1, err)
			}
			opened = next
			continue
		}
		if !errors.Is(err, vault.ErrTooManySlots) {
			t.Errorf("slot 17: %v", err)
		}
		break
	}
	reread(t, opened)
}

func TestClosedVaultGivesNothing(t *testing.T) {
	opened, _ := newVault(t, vault.Options{})
	held, err := opened.VRK(1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := opened.VRK(1)
	if err != nil {
		t.Fatal(err)
	}
	next, err := opened.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	opened.Close()
	opened.Close()
	if *held.Reveal() == [32]byte{} || !held.Equal(other) {
		t.Error("closing wiped a key that somebody is using: what they seal would be sealed with zeros")
	}
	held.Clear()
	if *other.Reveal() == [32]byte{} {
		t.Error("one copy's Clear wiped another")
	}
	if kept, err := next.VRK(1); err != nil || !kept.Equal(other) {
		t.Errorf("closing a generation wiped the next: %v", err)
	}
	for name, err := range map[string]error{
		"VRK":    second(opened.VRK(1)),
		"VNK":    second(opened.VNK()),
		"Pin":    second(opened.Pin()),
		"Rotate": second(opened.Rotate()),
		"Seal":   second(opened.SealRecord(vault.RecordBucket, "k", nil)),
	} {
		if !errors.Is(err, vault.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if opened.Epochs() != nil {
		t.Error("epochs of a closed vault")
	}
}

func second[T any](_ T, err error) error { return err }

// TestPasswordOfAVaultWithoutOne: looking for a typing mistake would be in vain.
func TestPasswordOfAVaultWithoutOne(t *testing.T) {
	with, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	without, _ := newVault(t, vault.Options{})
	requireOpensWithPassword(t, without.File(), goodPassword, vault.ErrNoPasswordSlot)
	requireOpensWithPassword(t, without.File(), goodPassword, vault.ErrWrongKey)
	if _, err := with.File().OpenWithPassword(t.Context(), newHasher(t), secret.NewString(otherPassword)); errors.Is(err, vault.ErrNoPasswordSlot) {
		t.Errorf("a vault with a password says: %v", err)
	}
	if _, err := without.File().OpenWithRecoveryKey(vault.NewRecoveryKey()); errors.Is(err, vault.ErrNoPasswordSlot) {
		t.Errorf("a wrong 64-digit key gives: %v", err)
	}
}
