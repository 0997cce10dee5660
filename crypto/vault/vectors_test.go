package vault

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/config/secret"
)

// vector is a frozen vault file and what opening it must give. Every released version reads all of them for ever. The comment says the one
// thing that each is about; integration/decoder reads the same files with an implementation of its own.
type vector struct {
	Comment     string         `json:"comment"`
	File        string         `json:"file"`
	RecoveryKey string         `json:"recovery_key,omitempty"`
	Password    string         `json:"password,omitempty"`
	Expect      string         `json:"expect"`
	Epochs      []epochShape   `json:"vrk,omitempty"`
	Names       []byte         `json:"vnk,omitempty"`
	Pin         string         `json:"pin,omitempty"`
	Records     []recordVector `json:"records,omitempty"`
}

type recordVector struct {
	Kind    string `json:"kind"`
	Key     string `json:"key"`
	Sealed  []byte `json:"sealed"`
	Content string `json:"content"`
}

const vectorFolder = "testdata/vectors"

func outcomes() map[string]error {
	return map[string]error{
		"ok": nil, "wrong key": ErrWrongKey, "forged": ErrForged, "damaged": ErrDamaged, "too new": ErrTooNew, "rollback": ErrRollback, "other vault": ErrOtherVault,
	}
}

func TestVectors(t *testing.T) {
	paths, err := filepath.Glob(vectorFolder + "/*.json")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d vectors, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var v vector
			if err := json.Unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			want, known := outcomes()[v.Expect]
			if !known {
				t.Fatalf("unknown expectation %q", v.Expect)
			}
			opened, err := v.open(t)
			for outcome, expected := range outcomes() {
				if errors.Is(err, expected) != (outcome == v.Expect) {
					t.Fatalf("got %v, want %s: %s", err, v.Expect, v.Comment)
				}
			}
			if want == nil {
				v.compare(t, opened)
			}
		})
	}
}

func (v *vector) open(t *testing.T) (*Opened, error) {
	t.Helper()
	file, err := Parse([]byte(v.File))
	if err != nil {
		return nil, err
	}
	var opened *Opened
	if v.RecoveryKey != "" {
		key, err := ParseRecoveryKey(v.RecoveryKey)
		if err != nil {
			t.Fatal(err)
		}
		if opened, err = file.OpenWithRecoveryKey(key); err != nil {
			return nil, err
		}
	}
	if v.Password != "" {
		if opened, err = file.OpenWithPassword(t.Context(), cheapHasher(t), secret.NewString(v.Password)); err != nil {
			return nil, err
		}
	}
	if v.Pin == "" {
		return opened, nil
	}
	pin, err := ParsePin([]byte(v.Pin))
	if err != nil {
		t.Fatal(err)
	}
	return opened, pin.Verify(opened)
}

func (v *vector) compare(t *testing.T, opened *Opened) {
	t.Helper()
	if got := string(encodeJSON(v.keys(opened))); got != string(encodeJSON(keyringShape{Epochs: v.Epochs, Names: v.Names})) {
		t.Errorf("other keys than frozen: %s", v.Comment)
	}
	for _, record := range v.Records {
		content, err := opened.OpenRecord(RecordKind(record.Kind[0]), record.Key, record.Sealed)
		if err != nil || string(content) != record.Content {
			t.Errorf("record %s: %q, %v", record.Key, content, err)
		}
	}
}

func (v *vector) keys(opened *Opened) keyringShape {
	shape := keyringShape{Names: opened.ring.names.Reveal()[:]}
	for _, entry := range opened.ring.epochs {
		shape.Epochs = append(shape.Epochs, epochShape{Epoch: entry.epoch, Key: entry.key.Reveal()[:]})
	}
	return shape
}

// freeze writes new vectors: go test ./crypto/vault -run Freeze -freeze. It never touches one that is there.
func TestMain(m *testing.M) {
	flag.Bool("freeze", false, "write vectors that do not exist yet")
	flag.Parse()
	os.Exit(m.Run())
}

func TestFreeze(t *testing.T) {
	if flag.Lookup("freeze").Value.String() != "true" {
		return
	}
	for name, v := range makeVectors(t) {
		path := filepath.Join(vectorFolder, name+".json")
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		encoder := json.NewEncoder(file)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", " ")
		if err := errors.Join(encoder.Encode(v), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// makeVectors holds one small program for each fact.
func makeVectors(t *testing.T) map[string]vector {
	const keyText = "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"
	key, err := ParseRecoveryKey(keyText)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{RecoveryKey: key, Password: secret.NewString(victimPassword)}
	good := func(comment string, opened *Opened) vector {
		v := vector{Comment: comment, File: string(opened.file.raw), RecoveryKey: keyText, Expect: "ok"}
		shape := v.keys(opened)
		v.Epochs, v.Names = shape.Epochs, shape.Names
		return v
	}
	bad := func(comment, expect string, data []byte) vector {
		return vector{Comment: comment, File: string(data), RecoveryKey: keyText, Expect: expect}
	}
	must := func(opened *Opened, err error) *Opened {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	create := func(options Options) *Opened {
		opened, _ := makeVault(t, options)
		return opened
	}
	all := map[string]vector{}

	alone := create(Options{RecoveryKey: key})
	all["recovery"] = good("one recovery slot", alone)
	all["recovery-wrong"] = vector{Comment: "another 64-digit key", File: string(alone.file.raw), RecoveryKey: strings.Repeat("ab", 32), Expect: "wrong key"}

	both := create(options)
	v := good("recovery and password slot, opened with the password", both)
	v.RecoveryKey, v.Password = "", victimPassword
	all["password"] = v
	v = vector{Comment: "another password", File: string(both.file.raw), Password: victimPassword + "x", Expect: "wrong key"}
	all["password-wrong"] = v
	accented := create(Options{RecoveryKey: key, Password: secret.NewString("z\u00fcrich kettle orbit 93")})
	v = good("the password is normalised to NFC before Argon2id; here it comes as NFD", accented)
	v.RecoveryKey, v.Password = "", "zu\u0308rich kettle orbit 93"
	all["password-nfd"] = v
	costly, err := NewHasher(Cost{Time: 2, MemoryKiB: 20 << 10, Lanes: 3})
	if err != nil {
		t.Fatal(err)
	}
	v = good("a password slot with another cost: 2 passes, 20 MiB, 3 lanes", must(alone.AddPassword(t.Context(), costly, secret.NewString(victimPassword), "other cost")))
	v.RecoveryKey, v.Password = "", victimPassword
	all["password-cost"] = v

	changed := must(both.ChangePassword(t.Context(), cheapHasher(t), both.file.slots[1].id, secret.NewString("maple tundra clock 51")))
	v = good("generation 2 after a changed password: epoch 2, and the key of epoch 1 is kept", changed)
	v.Password = "maple tundra clock 51"
	all["changed-password"] = v
	all["changed-password-old"] = vector{Comment: "the old password after the change", File: string(changed.file.raw), Password: victimPassword, Expect: "wrong key"}
	rotated := must(must(alone.Rotate()).Rotate())
	v = good("three epochs; records of the first and the last", rotated)
	for _, sealer := range []*Opened{alone, rotated} {
		sealed, err := sealer.SealRecord(RecordBucket, ".sallyport/buckets/photos", []byte(`{"created":1790000000000,"vault":"`+alone.ID().String()+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		v.Records = append(v.Records, recordVector{Kind: "B", Key: ".sallyport/buckets/photos", Sealed: sealed, Content: `{"created":1790000000000,"vault":"` + alone.ID().String() + `"}`})
	}
	v.Pin = string(pinOf(t, alone).Encode())
	all["rotated"] = v
	all["replaced-recovery-key-old"] = bad("the old 64-digit key after it was replaced", "wrong key", must(both.ReplaceRecoveryKey(both.file.slots[0].id, NewRecoveryKey())).file.raw)

	all["settings"] = good("opaque ETags, key_max 255", create(Options{RecoveryKey: key, ETag: ETagOpaque, KeyMax: 255}))
	all["encrypted-names"] = bad("names of a kind that this version does not know, signed", "too new",
		sign([]byte(strings.Replace(string(alone.file.line), `"names":"plain"`, `"names":"siv"`, 1)), alone.auth, alone.ring.epochs[0].key))

	shape := shapeOf(t, alone.file)
	shape["later"] = map[string]any{"a": 1}
	root := alone.ring.epochs[0].key
	v = good("an unknown field is ignored for opening", alone)
	v.File = string(sign(encodeJSON(shape), alone.auth, root))
	all["unknown-field"] = v
	shape = shapeOf(t, alone.file)
	shape["slots"] = append([]any{map[string]any{"type": "passkey", "id": 5}}, shape["slots"].([]any)...)
	v.Comment, v.File = "an unknown slot type is ignored for opening", string(sign(encodeJSON(shape), alone.auth, root))
	all["unknown-slot"] = v
	withCredential := redraft(t, alone)
	private, err := kem().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	withCredential.slots = append(withCredential.slots, slot{id: SlotID{7}, kind: SlotCredential, label: "restic", public: private.PublicKey().Bytes()})
	withCredential.ring.credentials = append(withCredential.ring.credentials, credential{number: 9, id: [16]byte{1}, commitment: make([]byte, commitmentSize)})
	all["credential-slot"] = good("a credential slot has no private key in the file", must(withCredential.finish(alone.with, nil)))

	thief := create(Options{})
	forged := &draft{id: alone.ID(), generation: 2, settings: alone.Settings(), auth: thief.auth, ring: thief.ring, slots: redraft(t, alone).slots}
	file, err := forged.write()
	if err != nil {
		t.Fatal(err)
	}
	all["forged-keyring"] = bad("the backend sealed a keyring of its own to the public keys", "forged", file.raw)
	swapped := redraft(t, both)
	swapped.slots[0].public = swapped.slots[1].public
	if file, err = swapped.write(); err != nil {
		t.Fatal(err)
	}
	all["swapped-public-key"] = bad("a slot with another slot's public key", "forged", file.raw)
	all["line-2-of-another-key"] = bad("line 2 made with another authentication key", "forged", sign(alone.file.line, thief.auth, root))
	all["line-3-of-another-key"] = bad("line 3 made with another root key", "forged", sign(alone.file.line, alone.auth, thief.ring.epochs[0].key))
	shape, old := shapeOf(t, rotated.file), shapeOf(t, alone.file)
	shape["keyring"] = old["keyring"]
	shape["slots"].([]any)[0].(map[string]any)["krk"] = old["slots"].([]any)[0].(map[string]any)["krk"]
	newest, _ := rotated.ring.find(3)
	all["old-keyring"] = bad("the keyring of an older generation in a newer file, signed", "forged", sign(encodeJSON(shape), rotated.auth, newest))
	shape = shapeOf(t, alone.file)
	shape["epoch"] = 2
	all["epoch-without-key"] = bad("the file names an epoch that its keyring does not hold", "forged", sign(encodeJSON(shape), alone.auth, root))
	all["later-format"] = bad("fmt 2", "too new", sign([]byte(strings.Replace(string(alone.file.line), `"fmt":1`, `"fmt":2`, 1)), alone.auth, root))
	all["duplicate-field"] = bad("gen stands twice, signed", "damaged", sign([]byte(strings.Replace(string(alone.file.line), `"gen":1`, `"gen":1,"gen":1`, 1)), alone.auth, root))
	all["kdf-too-costly"] = bad("a password slot that asks for more than 2 GiB, signed", "damaged", sign([]byte(strings.Replace(string(both.file.line), `"m_kib":19456`, `"m_kib":2097153`, 1)), both.auth, both.ring.epochs[0].key))
	all["kdf-too-cheap"] = bad("a password slot below 19 MiB, signed", "damaged", sign([]byte(strings.Replace(string(both.file.line), `"m_kib":19456`, `"m_kib":19455`, 1)), both.auth, both.ring.epochs[0].key))
	all["line-ends"] = bad("carriage returns at the line ends", "damaged", []byte(strings.ReplaceAll(string(alone.file.raw), "\n", "\r\n")))
	all["base64-spelling"] = bad("line 2 with other unused bits at its end", "damaged", respell(t, alone.file.raw))

	v = bad("an older generation than the pinned one", "rollback", alone.file.raw)
	v.Pin = string(pinOf(t, rotated).Encode())
	all["pin-rollback"] = v
	removed := must(both.RemoveSlot(both.file.slots[1].id))
	thievish := redraft(t, both)
	thievish.generation = 9
	if err := thievish.newEpoch(); err != nil {
		t.Fatal(err)
	}
	v = bad("a removed holder invents the key of the pinned epoch", "forged", must(thievish.finish(both.with, nil)).file.raw)
	v.Pin = string(pinOf(t, removed).Encode())
	all["pin-removed-holder"] = v
	v = bad("another vault than the pinned one", "other vault", alone.file.raw)
	v.Pin = string(pinOf(t, thief).Encode())
	all["pin-other-vault"] = v
	maps.Copy(all, ruleVectors(t, keyText, alone, both))
	return all
}

// respell changes the last character of line 2 before the padding so that it stands for the same bytes to a lax decoder.
func respell(t *testing.T, data []byte) []byte {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := strings.IndexByte(alphabet, lines[1][42])
	other := lines[1][:42] + string(alphabet[last^1]) + "="
	a, errA := base64.StdEncoding.DecodeString(lines[1])
	b, errB := base64.StdEncoding.DecodeString(other)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Fatal("not another spelling")
	}
	return []byte(strings.Join([]string{lines[0], other, lines[2], ""}, "\n"))
}
