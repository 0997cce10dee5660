package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
)

const (
	victimPassword = "violet kettle orbit 93"
)

func cheapHasher(t testing.TB) *Hasher {
	t.Helper()
	hasher, err := NewHasher(Cost{Time: 1, MemoryKiB: minArgonMemory, Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return hasher
}

func makeVault(t testing.TB, options Options) (*Opened, RecoveryKey) {
	t.Helper()
	opened, key, err := Create(t.Context(), cheapHasher(t), options)
	if err != nil {
		t.Fatal(err)
	}
	return opened, key
}

func mustParse(t testing.TB, data []byte) *File {
	t.Helper()
	file, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// sign writes lines 2 and 3 as somebody would who holds these keys.
func sign(line []byte, auth *[authKeySize]byte, root keys.VRK) []byte {
	return bytes.Join([][]byte{line, encodeMAC(fileMAC(auth, line)), encodeMAC(chainMAC(root, line)), nil}, []byte("\n"))
}

// redraft returns everything a holder of the vault's keys needs to write the next generation by hand.
func redraft(t testing.TB, opened *Opened) *draft {
	t.Helper()
	next, err := opened.nextDraft()
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// The backend knows every public key. It makes keys of its own, seals them to the slots, and changes nothing else.
func TestForgedKeyringIsRefused(t *testing.T) {
	victim, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	thief, _ := makeVault(t, Options{})
	forged := &draft{
		id: victim.file.id, generation: 2, created: victim.file.created, settings: victim.file.settings,
		auth: thief.auth, ring: thief.ring, slots: redraft(t, victim).slots,
	}
	file, err := forged.write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.OpenWithRecoveryKey(key); !errors.Is(err, ErrForged) {
		t.Errorf("with the 64-digit key: %v", err)
	}
	if _, err := file.OpenWithPassword(t.Context(), cheapHasher(t), secret.NewString(victimPassword)); !errors.Is(err, ErrForged) {
		t.Errorf("with the password: %v", err)
	}

	// The same with the victim's own lines 2 and 3, and under the victim's generation.
	forged.generation = 1
	if file, err = forged.write(); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(victim.file.raw, []byte("\n"))
	spliced := bytes.Join([][]byte{file.line, lines[1], lines[2], nil}, []byte("\n"))
	if _, err := mustParse(t, spliced).OpenWithRecoveryKey(key); !errors.Is(err, ErrForged) {
		t.Errorf("with spliced lines: %v", err)
	}
}

// Without line 2 the forged keyring would open: this is what the check is for.
func TestForgedKeyringWouldOpenWithoutLineTwo(t *testing.T) {
	victim, key := makeVault(t, Options{})
	thief, _ := makeVault(t, Options{})
	forged := &draft{id: victim.file.id, generation: 2, settings: victim.file.settings, auth: victim.auth, ring: thief.ring, slots: redraft(t, victim).slots}
	file, err := forged.write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.OpenWithRecoveryKey(key); err != nil {
		t.Errorf("the attack of the other test fails for another reason than line 2: %v", err)
	}
}

// A slot whose public key is not that of its private key would let whoever put it there read the next keyring.
func TestSwappedPublicKeyIsRefused(t *testing.T) {
	victim, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	forged := redraft(t, victim)
	forged.slots[0].public = forged.slots[1].public
	file, err := forged.write()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.OpenWithRecoveryKey(key); !errors.Is(err, ErrForged) || !strings.Contains(err.Error(), "public key") {
		t.Errorf("got %v", err)
	}
}

// Lines 1 of two generations with each other's MACs.
func TestLinesBelongTogether(t *testing.T) {
	first, key := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	one, two := bytes.Split(first.file.raw, []byte("\n")), bytes.Split(second.file.raw, []byte("\n"))
	for mask := 1; mask < 7; mask++ {
		mixed := [][]byte{one[0], one[1], one[2], nil}
		for line := range 3 {
			if mask>>line&1 == 1 {
				mixed[line] = two[line]
			}
		}
		if _, err := mustParse(t, bytes.Join(mixed, []byte("\n"))).OpenWithRecoveryKey(key); !errors.Is(err, ErrForged) {
			t.Errorf("mix %03b: %v", mask, err)
		}
	}
}

// Line 3 must come from the file's own newest key, not from any other.
func TestChainOfAnotherKeyIsRefused(t *testing.T) {
	first, key := makeVault(t, Options{})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	old, _ := second.ring.find(1)
	if _, err := mustParse(t, sign(second.file.line, second.auth, old)).OpenWithRecoveryKey(key); !errors.Is(err, ErrForged) || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v", err)
	}
}

// Parts of one authentic file put into another, by somebody who can sign.
func TestPartsAreBoundToTheirPlace(t *testing.T) {
	first, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	root, _ := second.ring.find(2)
	replay := func(name string, edit func(shape map[string]any, old map[string]any)) {
		t.Helper()
		fresh, old := shapeOf(t, second.file), shapeOf(t, first.file)
		edit(fresh, old)
		file := mustParse(t, sign(encodeJSON(fresh), second.auth, root))
		if _, err := file.OpenWithRecoveryKey(key); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	slotAt := func(shape map[string]any, i int) map[string]any { return shape["slots"].([]any)[i].(map[string]any) }
	replay("old keyring", func(fresh, old map[string]any) { fresh["keyring"] = old["keyring"] })
	replay("old keyring key", func(fresh, old map[string]any) { slotAt(fresh, 0)["krk"] = slotAt(old, 0)["krk"] })
	replay("old keyring and key", func(fresh, old map[string]any) {
		fresh["keyring"] = old["keyring"]
		slotAt(fresh, 0)["krk"] = slotAt(old, 0)["krk"]
	})
	replay("another slot's keyring key", func(fresh, _ map[string]any) { slotAt(fresh, 0)["krk"] = slotAt(fresh, 1)["krk"] })
	replay("another slot's private key", func(fresh, _ map[string]any) { slotAt(fresh, 0)["sk"] = slotAt(fresh, 1)["sk"] })
	replay("another slot's id", func(fresh, _ map[string]any) {
		slotAt(fresh, 0)["id"], slotAt(fresh, 1)["id"] = slotAt(fresh, 1)["id"], slotAt(fresh, 0)["id"]
	})
	replay("another vault id", func(fresh, _ map[string]any) { fresh["vault"] = strings.Repeat("0", 32) })
	replay("another generation", func(fresh, _ map[string]any) { fresh["gen"] = 3 })
	replay("another epoch", func(fresh, _ map[string]any) { fresh["epoch"] = 1 })
}

func shapeOf(t testing.TB, file *File) map[string]any {
	t.Helper()
	var shape map[string]any
	decoder := json.NewDecoder(bytes.NewReader(file.line))
	decoder.UseNumber()
	if err := decoder.Decode(&shape); err != nil {
		t.Fatal(err)
	}
	return shape
}

// A keyring that a key holder sealed wrongly is refused, whatever is wrong with it.
func TestBadKeyringsAreRefused(t *testing.T) {
	opened, key := makeVault(t, Options{})
	good := string(opened.ring.encode())
	if _, err := parseKeyring([]byte(good)); err != nil {
		t.Fatal(err)
	}
	root := base64.StdEncoding.EncodeToString(opened.ring.epochs[0].key.Reveal()[:])
	for name, text := range map[string]string{
		"not JSON": "x", "list": "[]", "trailing": good + "x", "no keys": strings.Replace(good, `{"e":1,"k":"`+root+`"}`, "", 1), "epoch zero": strings.Replace(good, `"e":1`, `"e":0`, 1),
		"short key": strings.Replace(good, root, root[4:], 1), "twice": strings.Replace(good, `[{"e":1`, `[{"e":1,"k":"`+root+`"},{"e":1`, 1),
		"descending": strings.Replace(good, `[{"e":1`, `[{"e":2,"k":"`+root+`"},{"e":1`, 1), "no names": strings.Replace(good, `"vnk"`, `"vnx"`, 1),
		"no creds": strings.Replace(good, `,"creds":[]`, "", 1), "null creds": strings.Replace(good, `"creds":[]`, `"creds":null`, 1),
		"bad cred": strings.Replace(good, `"creds":[]`, `"creds":[{"n":1}]`, 1), "case": strings.Replace(good, `"vrk"`, `"VRK"`, 1),
		"strict field": strings.Replace(good, `"vnk"`, `"Later":1,"vnk"`, 1), "strict field in a key": strings.Replace(good, `"e":1`, `"e":1,"Later":1`, 1),
	} {
		_, err := parseKeyring([]byte(text))
		if err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), root[:8]) {
			t.Errorf("%s: the error shows a key: %v", name, err)
		}
		file := resealKeyring(t, opened, []byte(text))
		want, other := ErrForged, ErrTooNew
		if strings.HasPrefix(name, "strict field") {
			want, other = ErrTooNew, ErrForged
		}
		if _, err := file.OpenWithRecoveryKey(key); !errors.Is(err, want) || errors.Is(err, other) {
			t.Errorf("%s in a file: %v", name, err)
		}
	}
}

// resealKeyring writes the opened vault again with other keyring bytes.
func resealKeyring(t testing.TB, opened *Opened, plain []byte) *File {
	t.Helper()
	d := redraft(t, opened)
	shape := shapeOf(t, opened.file)
	ringKey := new([keys.Size]byte)
	shape["gen"] = d.generation
	shape["keyring"] = seal(ringKey, keyringContext(d.id, d.generation), plain)
	for i, row := range shape["slots"].([]any) {
		wrapped, err := wrap(d.slots[i].public, ringKey, d.id, d.slots[i].id, d.generation)
		if err != nil {
			t.Fatal(err)
		}
		row.(map[string]any)["krk"] = wrapped
	}
	return mustParse(t, sign(encodeJSON(shape), opened.auth, opened.ring.epochs[len(opened.ring.epochs)-1].key))
}

// What a later version added can be read here, and is never written away.
func TestUnknownFieldsAreReadableAndNeverRewritten(t *testing.T) {
	opened, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	root := opened.ring.epochs[0].key
	slotAt := func(shape map[string]any, i int) map[string]any { return shape["slots"].([]any)[i].(map[string]any) }
	for name, edit := range map[string]func(shape map[string]any){
		"field":        func(s map[string]any) { s["later"] = map[string]any{"a": 1} },
		"slot field":   func(s map[string]any) { slotAt(s, 1)["later"] = 1 },
		"kdf field":    func(s map[string]any) { slotAt(s, 1)["kdf"].(map[string]any)["later"] = 1 },
		"slot type":    func(s map[string]any) { slotAt(s, 1)["type"] = "passkey" },
		"kdf function": func(s map[string]any) { slotAt(s, 1)["kdf"].(map[string]any)["alg"] = "argon3" },
		"kdf version":  func(s map[string]any) { slotAt(s, 1)["kdf"].(map[string]any)["v"] = 20 },
	} {
		shape := shapeOf(t, opened.file)
		edit(shape)
		again, err := mustParse(t, sign(encodeJSON(shape), opened.auth, root)).OpenWithRecoveryKey(key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := again.Rotate(); !errors.Is(err, ErrTooNew) {
			t.Errorf("%s: rewritten, %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"keyring field":    strings.Replace(string(opened.ring.encode()), `"creds"`, `"later":1,"creds"`, 1),
		"keyring entry":    strings.Replace(string(opened.ring.encode()), `"e":1`, `"e":1,"later":1`, 1),
		"credential entry": strings.Replace(string(opened.ring.encode()), `"creds":[]`, `"creds":[{"n":1,"id":"`+strings.Repeat("0", 32)+`","c":"`+strings.Repeat("A", 43)+`=","later":1}]`, 1),
	} {
		again, err := resealKeyring(t, opened, []byte(text)).OpenWithRecoveryKey(key)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := again.Rotate(); !errors.Is(err, ErrTooNew) {
			t.Errorf("%s: rewritten, %v", name, err)
		}
	}
}

// Credential slots have no private key in the file; they get every new keyring, and the keyring's list of them is kept.
func TestCredentialSlotsAreCarriedAlong(t *testing.T) {
	opened, key := makeVault(t, Options{})
	d := redraft(t, opened)
	private, err := kem().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	d.slots = append(d.slots, slot{id: SlotID{7}, kind: SlotCredential, label: "restic", public: private.PublicKey().Bytes()})
	d.ring.credentials = append(d.ring.credentials, credential{number: 9, id: [16]byte{1}, commitment: make([]byte, commitmentSize)})
	withCredential, err := d.finish(opened.with, nil)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := withCredential.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := mustParse(t, rotated.file.raw).OpenWithRecoveryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.ring.credentials; len(got) != 1 || got[0].number != 9 || got[0].id != [16]byte{1} {
		t.Errorf("credentials %+v", got)
	}
	carried := again.file.find(SlotID{7})
	if carried == nil || carried.kind != SlotCredential || carried.label != "restic" || carried.sealed != nil {
		t.Fatalf("slot %+v", carried)
	}
	if _, err := unwrap(private, carried.wrapped, again.ID(), carried.id, again.Generation()); err != nil {
		t.Errorf("the credential's key does not open the new keyring key: %v", err)
	}
	if strings.Contains(string(again.file.line), `"sk":null`) {
		t.Error("a credential slot got a private key")
	}
	if _, err := again.RemoveSlot(SlotID{7}); err == nil {
		t.Error("a credential's slot was removed without its entry in the keyring")
	}
}

// Every bit of a vault file.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	opened, key := makeVault(t, Options{})
	good := opened.file.raw
	step := 1
	if testing.Short() {
		step = 13
	}
	attempts := 0
	for bit := 0; bit < 8*len(good); bit += step {
		data := bytes.Clone(good)
		data[bit/8] ^= 1 << (bit % 8)
		attempts++
		file, err := Parse(data)
		if err == nil {
			_, err = file.OpenWithRecoveryKey(key)
		}
		if err == nil {
			t.Fatalf("bit %d of byte %d flipped, and the file opened", bit%8, bit/8)
		}
		if !anyOf(err, ErrDamaged, ErrTooNew, ErrForged, ErrWrongKey) {
			t.Fatalf("bit %d: an error of no kind: %v", bit, err)
		}
	}
	t.Logf("%d flips, none accepted", attempts)
}

func TestEveryCutIsRefused(t *testing.T) {
	opened, _ := makeVault(t, Options{})
	for length := range opened.file.raw {
		if _, err := Parse(opened.file.raw[:length]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", length, err)
		}
	}
}

func anyOf(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// Neither errors nor printed values show a key.
func TestNothingPrintsAKey(t *testing.T) {
	opened, key := makeVault(t, Options{Password: secret.NewString(victimPassword)})
	pin, err := opened.Pin()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %v %+v", opened.ring.epochs[0].key, opened.ring.epochs, opened.ring.epochs[0], opened.ring.names, key, pin)
	for _, secretBytes := range [][]byte{opened.ring.epochs[0].key.Reveal()[:], opened.ring.names.Reveal()[:], key.raw.Reveal()} {
		for _, form := range []string{fmt.Sprintf("%x", secretBytes[:8]), base64.StdEncoding.EncodeToString(secretBytes[:9]), strings.Trim(fmt.Sprint(secretBytes[:8]), "[]")} {
			if strings.Contains(shown, form) {
				t.Errorf("shown: %s", shown)
			}
		}
	}
}
