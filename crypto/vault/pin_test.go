package vault

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
)

func pinOf(t testing.TB, opened *Opened) Pin {
	t.Helper()
	pin, err := opened.Pin()
	if err != nil {
		t.Fatal(err)
	}
	return pin
}

func TestPinAcceptsTheSameAndLaterGenerations(t *testing.T) {
	first, _ := makeVault(t, Options{})
	pin := pinOf(t, first)
	if pin.Vault() != first.ID() || pin.Generation() != 1 {
		t.Errorf("pin of %s generation %d", pin.Vault(), pin.Generation())
	}
	next := first
	for range 4 {
		if err := pin.Verify(next); err != nil {
			t.Errorf("generation %d: %v", next.Generation(), err)
		}
		var err error
		if next, err = next.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPinRefusesRollback(t *testing.T) {
	first, _ := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	pin := pinOf(t, second)
	if err := pin.VerifyFile(first.File()); !errors.Is(err, ErrRollback) {
		t.Errorf("older file: %v", err)
	}
	if err := pin.Verify(first); !errors.Is(err, ErrRollback) {
		t.Errorf("older file, opened: %v", err)
	}
	other, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := pin.VerifyFile(other.File()); !errors.Is(err, ErrRollback) {
		t.Errorf("another file of the same generation: %v", err)
	}
	// A generation with the pinned epoch gone or replaced, or with a lower epoch.
	later, err := other.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := pin.VerifyFile(later.File()); err != nil {
		t.Errorf("a later generation before opening: %v", err)
	}
	if err := pin.Verify(later); !errors.Is(err, ErrForged) {
		t.Errorf("a later generation on another branch: %v", err)
	}
	lower, err := first.AddPassword(t.Context(), cheapHasher(t), secret.NewString(victimPassword), "")
	if err != nil {
		t.Fatal(err)
	}
	if lower, err = lower.AddPassword(t.Context(), cheapHasher(t), secret.NewString(victimPassword), ""); err != nil {
		t.Fatal(err)
	}
	if err := pin.Verify(lower); !errors.Is(err, ErrRollback) {
		t.Errorf("a higher generation with a lower epoch: %v", err)
	}
}

func TestPinRefusesAnotherVault(t *testing.T) {
	first, _ := makeVault(t, Options{})
	other, _ := makeVault(t, Options{})
	if err := pinOf(t, first).VerifyFile(other.File()); !errors.Is(err, ErrOtherVault) {
		t.Errorf("got %v", err)
	}
	if err := pinOf(t, first).Verify(other); !errors.Is(err, ErrOtherVault) {
		t.Errorf("opened: %v", err)
	}
}

// Whoever was removed still has the authentication key and all keys up to the removal, and so can write a file that opens with
// everybody's keys. A gateway with a pin refuses it; one without believes it.
func TestPinRefusesTheRemovedHolder(t *testing.T) {
	first, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	second, err := first.RemoveSlot(first.file.slots[1].id)
	if err != nil {
		t.Fatal(err)
	}
	forged := redraft(t, first)
	forged.generation = 9
	// The thief invents a key for the epoch that came after the removal.
	if err := forged.newEpoch(); err != nil {
		t.Fatal(err)
	}
	file, err := forged.write()
	if err != nil {
		t.Fatal(err)
	}
	opened, err := file.OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatalf("the attack fails for another reason: %v", err)
	}
	if err := pinOf(t, second).Verify(opened); !errors.Is(err, ErrForged) {
		t.Errorf("got %v", err)
	}
}

func TestPinRefusesChangedSettings(t *testing.T) {
	first, _ := makeVault(t, Options{})
	for _, settings := range []Settings{{Names: NamesPlain, ETag: ETagOpaque, KeyMax: 900}, {Names: NamesPlain, ETag: ETagMD5, KeyMax: 901}} {
		changed := redraft(t, first)
		changed.settings = settings
		opened, err := changed.finish(first.with, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := pinOf(t, first).Verify(opened); !errors.Is(err, ErrForged) {
			t.Errorf("%+v: %v", settings, err)
		}
	}
}

func TestPinReadsBack(t *testing.T) {
	first, _ := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	encoded := pinOf(t, second).Encode()
	if bytes.Count(encoded, []byte("\n")) != 1 || !bytes.HasSuffix(encoded, []byte("\n")) {
		t.Errorf("not one line: %q", encoded)
	}
	pin, err := ParsePin(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pin.Encode(), encoded) {
		t.Error("a pin that was read back differs")
	}
	if err := pin.Verify(second); err != nil {
		t.Error(err)
	}
	if err := pin.Verify(first); !errors.Is(err, ErrRollback) {
		t.Error(err)
	}
	// The pin must not open anything: it is in the state directory in the clear.
	root, err := second.VRK(2)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(encoded, encodeMAC(root.Reveal()[:])) {
		t.Error("the pin holds a key")
	}
}

func TestParsePinRefuses(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	good := string(pinOf(t, opened).Encode())
	for name, text := range map[string]string{
		"empty": "", "cut": good[:len(good)/2], "list": "[" + good + "]", "trailing": good + "{}", "twice": strings.Replace(good, `"gen":1`, `"gen":1,"gen":1`, 1),
		"case": strings.Replace(good, `"gen"`, `"Gen"`, 1), "null": strings.Replace(good, `"gen":1`, `"gen":null`, 1), "zero": strings.Replace(good, `"gen":1`, `"gen":0`, 1),
		"large": good + strings.Repeat(" ", maxPinSize), "digest": strings.Replace(good, `"sha256":"`, `"sha256":"AAAA`, 1), "names": strings.Replace(good, "plain", "braid", 1),
		"pin": strings.Replace(good, `"pin":"`, `"pin":"AAAA`, 1),
	} {
		if _, err := ParsePin([]byte(text)); !errors.Is(err, ErrPinDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"format": strings.Replace(good, `"fmt":1`, `"fmt":2`, 1), "field": strings.Replace(good, `"gen":1`, `"gen":1,"x":1`, 1),
	} {
		if _, err := ParsePin([]byte(text)); !errors.Is(err, ErrTooNew) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a flipped bit makes of a pin, it is not a pin that accepts what the original refused.
func TestFlippedPinNeverForgets(t *testing.T) {
	first, _ := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	good := pinOf(t, second).Encode()
	for bit := range 8 * len(good) {
		data := bytes.Clone(good)
		data[bit/8] ^= 1 << (bit % 8)
		if pin, err := ParsePin(data); err == nil && pin.generation == 2 && pin.Verify(first) == nil {
			t.Errorf("bit %d flipped: the older file passes", bit)
		}
	}
}

func FuzzParsePin(f *testing.F) {
	pin := Pin{vault: ID{1}, generation: 3, epoch: 2, settings: Settings{Names: NamesPlain, ETag: ETagMD5, KeyMax: 900}, key: keys.NewVRK().PinKey()}
	f.Add(pin.Encode())
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pin, err := ParsePin(data)
		if err != nil {
			return
		}
		again, err := ParsePin(pin.Encode())
		if err != nil || !bytes.Equal(again.Encode(), pin.Encode()) {
			t.Errorf("does not read back: %v", err)
		}
	})
}
