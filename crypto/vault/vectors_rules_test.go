package vault

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"sallyport/crypto/keys"
)

// ruleBreaker writes vault files that a holder of all keys signed and that each break one rule, or only seem to.
type ruleBreaker struct {
	*testing.T
	key  string // the 64 digits that open every file
	from *Opened
	all  map[string]vector
}

// keep remembers a file under a name, and what must come of opening it.
func (r *ruleBreaker) keep(name, comment, expect string, file []byte) {
	r.Helper()
	if _, twice := r.all[name]; twice {
		r.Fatalf("two vectors are called %s", name)
	}
	v := vector{Comment: comment, File: string(file), RecoveryKey: r.key, Expect: expect}
	if expect == "ok" {
		shape := v.keys(r.from)
		v.Epochs, v.Names = shape.Epochs, shape.Names
	}
	r.all[name] = v
}

func (r *ruleBreaker) root() keys.VRK { return r.from.ring.epochs[len(r.from.ring.epochs)-1].key }

// swap replaces text in line 1 and signs it again.
func (r *ruleBreaker) swap(name, comment, expect, from, to string) {
	r.Helper()
	line := string(r.from.file.line)
	if strings.Count(line, from) != 1 {
		r.Fatalf("%s: %q stands %d times", name, from, strings.Count(line, from))
	}
	r.keep(name, comment, expect, sign([]byte(strings.Replace(line, from, to, 1)), r.from.auth, r.root()))
}

// edit changes the fields of line 1 and signs it again.
func (r *ruleBreaker) edit(name, comment, expect string, change func(line map[string]any)) {
	r.Helper()
	shape := shapeOf(r.T, r.from.file)
	change(shape)
	r.keep(name, comment, expect, sign(encodeJSON(shape), r.from.auth, r.root()))
}

// slot changes the fields of one slot.
func (r *ruleBreaker) slot(number int, name, comment, expect string, change func(slot map[string]any)) {
	r.Helper()
	r.edit(name, comment, expect, func(line map[string]any) { change(line["slots"].([]any)[number].(map[string]any)) })
}

// reseal gives the file a keyring of other bytes, sealed and wrapped as it must be, after change.
func (r *ruleBreaker) reseal(name, comment, expect string, generation uint64, plain string, change func(line map[string]any)) {
	r.Helper()
	r.edit(name, comment, expect, func(line map[string]any) {
		ringKey := new([keys.Size]byte)
		line["gen"] = generation
		line["keyring"] = seal(ringKey, keyringContext(r.from.file.id, generation), []byte(plain))
		for i, s := range r.from.file.slots {
			wrapped, err := wrap(s.public, ringKey, r.from.file.id, s.id, generation)
			if err != nil {
				r.Fatal(err)
			}
			line["slots"].([]any)[i].(map[string]any)["krk"] = wrapped
		}
		change(line)
	})
}

// altered is base64 of the same length with its last bit changed.
func altered(t *testing.T, value any) []byte {
	t.Helper()
	var raw []byte
	if err := json.Unmarshal([]byte(fmt.Sprintf("%q", value)), &raw); err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	return raw
}

// ruleVectors hold a reader to the rules of FORMAT.md section 7 that the first vectors leave out. The alone file has a recovery slot; the both
// file has a password slot behind it.
func ruleVectors(t *testing.T, keyText string, alone, both *Opened) map[string]vector {
	r := &ruleBreaker{T: t, key: keyText, from: alone, all: map[string]vector{}}
	line := string(alone.file.line)
	r.lines()
	r.fields()
	r.slots(both)
	r.keyrings()

	v := r.all["unknown-field-upper"]
	v.RecoveryKey = strings.ReplaceAll(strings.ToUpper(keyText), " ", "-")
	v.Comment, v.File = "the 64 digits in capitals, with dashes", string(alone.file.raw)
	r.all["recovery-spelling"] = v

	pin := string(pinOf(t, alone).Encode())
	pinned := func(name, comment, expect, pin string, file []byte) {
		v := vector{Comment: comment, File: string(file), RecoveryKey: keyText, Expect: expect, Pin: pin}
		r.all[name] = v
	}
	pinned("pin-same-generation", "another file of the pinned generation", "rollback", pin,
		sign([]byte(strings.Replace(line, `"label":"64-digit key"`, `"label":"other"`, 1)), alone.auth, r.root()))
	later := redraft(t, alone)
	later.settings.ETag = ETagOpaque
	file, err := later.write()
	if err != nil {
		t.Fatal(err)
	}
	pinned("pin-settings", "a later generation with other settings", "forged", pin, file.raw)
	same := redraft(t, alone)
	if file, err = same.write(); err != nil {
		t.Fatal(err)
	}
	reread := &Opened{file: file, auth: alone.auth, ring: alone.ring}
	pinned("pin-older-generation", "an older generation of the pinned epoch", "rollback", string(pinOf(t, reread).Encode()), alone.file.raw)
	rotated, err := alone.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	older := redraft(t, alone)
	older.generation = 9
	if file, err = older.write(); err != nil {
		t.Fatal(err)
	}
	pinned("pin-older-epoch", "a later generation with an older epoch", "rollback", string(pinOf(t, rotated).Encode()), file.raw)
	return r.all
}

func (r *ruleBreaker) lines() {
	raw := string(r.from.file.raw)
	r.keep("line-4", "a fourth line", "damaged", []byte(raw+"x\n"))
	r.keep("line-3-open", "line 3 has no line end", "damaged", []byte(strings.TrimSuffix(raw, "\n")))
	r.keep("line-3-altered", "line 3 is altered", "forged", []byte(flipMAC(raw, 2)))
	r.keep("line-2-altered", "line 2 is altered", "forged", []byte(flipMAC(raw, 1)))
	r.keep("line-1-cr", "line 1 ends in a carriage return, which was signed", "damaged", sign([]byte(string(r.from.file.line)+"\r"), r.from.auth, r.root()))
	r.keep("line-1-spaced", "line 1 has a space that was not signed", "forged", []byte(strings.Replace(raw, `"gen":1`, `"gen": 1`, 1)))
	r.keep("line-1-spaced-signed", "white space in line 1 that was signed", "ok", sign([]byte(strings.Replace(string(r.from.file.line), `"gen":1`, `"gen" :	1`, 1)), r.from.auth, r.root()))
	r.keep("later-format-alone", "a file of format 2 that has nothing else in common", "too new", sign([]byte(`{"fmt":2}`), r.from.auth, r.root()))
}

// flipMAC changes the first character of a line into another.
func flipMAC(file string, number int) string {
	lines := strings.Split(file, "\n")
	first := "A"
	if lines[number][0] == 'A' {
		first = "B"
	}
	lines[number] = first + lines[number][1:]
	return strings.Join(lines, "\n")
}

func (r *ruleBreaker) fields() {
	id := r.from.ID().String()
	r.swap("later-suite", "suite 2", "too new", `"suite":1`, `"suite":2`)
	r.swap("etag-unknown", "an ETag policy that this version does not know", "too new", `"etag":"md5"`, `"etag":"sha"`)
	r.swap("exponent", "an integer with an exponent", "damaged", `"key_max":900`, `"key_max":9e2`)
	r.swap("key-max-small", "key_max 63", "damaged", `"key_max":900`, `"key_max":63`)
	r.swap("key-max-large", "key_max 65536", "damaged", `"key_max":900`, `"key_max":65536`)
	r.swap("key-max-missing", "no key_max", "damaged", `"key_max":900,`, ``)
	r.swap("epoch-zero", "epoch 0", "damaged", `"epoch":1`, `"epoch":0`)
	r.swap("vault-capitals", "the vault id in capitals", "damaged", id, strings.ToUpper(id))
	r.swap("unknown-field-upper", "any unknown field of line 1 is ignored for opening", "ok", `{"fmt"`, `{"Later":1,"fmt"`)
	nested := func(levels int) string { return strings.Repeat("[", levels) + `"x"` + strings.Repeat("]", levels) }
	r.swap("unknown-field-eight-deep", "eight levels below line 1 are read", "ok", `{"fmt"`, `{"later":`+nested(8)+`,"fmt"`)
	r.swap("unknown-field-nine-deep", "nine levels below line 1 are refused", "damaged", `{"fmt"`, `{"later":`+nested(9)+`,"fmt"`)
	r.swap("half-pair", "half of a surrogate pair", "damaged", `"label":"64-digit key"`, `"label":"\ud800"`)
	r.swap("label-control", "a label that would steer a terminal", "damaged", `"label":"64-digit key"`, `"label":"\u001b[2J"`)
	r.swap("label-long", "a label of 129 bytes", "damaged", `"label":"64-digit key"`, `"label":"`+strings.Repeat("x", 129)+`"`)
	r.edit("created-late", "made after the year 9999", "damaged", func(line map[string]any) { line["created"] = 253402300800000 })
	r.edit("keyring-short", "a keyring too short for an empty message", "damaged", func(line map[string]any) { line["keyring"] = make([]byte, 71) })
	r.reseal("generation-zero", "generation 0", "damaged", 0, string(r.from.ring.encode()), func(map[string]any) {})
}

func (r *ruleBreaker) slots(both *Opened) {
	alone := r.from
	r.slot(0, "slot-id-capitals", "a slot id in capitals", "damaged", func(slot map[string]any) { slot["id"] = "ABCDEF0123456789" })
	r.slot(0, "slot-unknown-field", "an unknown field of a slot is ignored for opening", "ok", func(slot map[string]any) { slot["Later"] = 1 })
	r.slot(0, "salt-short", "a salt of 31 bytes", "damaged", func(slot map[string]any) { slot["salt"] = make([]byte, 31) })
	r.slot(0, "pk-short", "a public key of 1215 bytes", "damaged", func(slot map[string]any) { slot["pk"] = make([]byte, 1215) })
	r.slot(0, "sk-short", "a sealed private key of 135 bytes", "damaged", func(slot map[string]any) { slot["sk"] = make([]byte, 135) })
	r.slot(0, "krk-long", "a wrapped keyring key of 1169 bytes", "damaged", func(slot map[string]any) { slot["krk"] = make([]byte, 1169) })
	private, err := kem().GenerateKey()
	if err != nil {
		r.Fatal(err)
	}
	r.slot(0, "pk-other", "a public key that is not the slot's own, and a keyring key wrapped to the right one", "forged", func(slot map[string]any) { slot["pk"] = private.PublicKey().Bytes() })
	r.slot(0, "sk-altered", "the sealed private key is altered behind its commitment", "forged", func(slot map[string]any) { slot["sk"] = altered(r.T, slot["sk"]) })
	r.slot(0, "krk-altered", "the wrapped keyring key is altered", "forged", func(slot map[string]any) { slot["krk"] = altered(r.T, slot["krk"]) })
	r.edit("no-opener", "no slot for a password or the 64 digits", "damaged", func(line map[string]any) { line["slots"] = []any{} })
	unknown := func(count int) func(line map[string]any) {
		return func(line map[string]any) {
			for range count {
				line["slots"] = append(line["slots"].([]any), map[string]any{"type": "passkey"})
			}
		}
	}
	r.edit("slots-256", "256 slots", "ok", unknown(255))
	r.edit("slots-257", "257 slots", "damaged", unknown(256))
	copies := func(count int) func(line map[string]any) {
		return func(line map[string]any) {
			first := line["slots"].([]any)[0].(map[string]any)
			for i := range count {
				again := maps.Clone(first)
				again["id"] = fmt.Sprintf("%016x", i)
				line["slots"] = append(line["slots"].([]any), again)
			}
		}
	}
	r.edit("openers-16", "16 slots for people", "ok", copies(15))
	r.edit("openers-17", "17 slots for people", "damaged", copies(16))
	r.edit("other-slot-salt-short", "another slot than the one that opens has a salt of 31 bytes", "damaged", func(line map[string]any) {
		copies(1)(line)
		line["slots"].([]any)[1].(map[string]any)["salt"] = make([]byte, 31)
	})
	r.edit("same-slot-id", "two slots have one id", "damaged", func(line map[string]any) {
		line["slots"] = append(line["slots"].([]any), line["slots"].([]any)[0])
	})

	r.from = both
	defer func() { r.from = alone }()
	kdf := func(name, comment, expect, field string, value any) {
		r.slot(1, name, comment, expect, func(slot map[string]any) { slot["kdf"].(map[string]any)[field] = value })
	}
	for field, size := range map[string]int{"pk": 1215, "sk": 135, "krk": 1169} {
		comment := fmt.Sprintf("another slot than the one that opens has a %s of %d bytes", field, size)
		r.slot(1, "other-slot-"+field, comment, "damaged", func(slot map[string]any) { slot[field] = make([]byte, size) })
	}
	r.slot(1, "kdf-unknown-shape", "a password slot of an unknown function, whose parameters have other names", "ok", func(slot map[string]any) {
		slot["kdf"] = map[string]any{"alg": "argon3", "v": 1, "cost": "high"}
	})
	r.slot(1, "kdf-unknown-alone", "a password slot of an unknown function that has no version", "ok", func(slot map[string]any) {
		slot["kdf"] = map[string]any{"alg": "argon3" + strings.Repeat("x", 100)}
	})
	kdf("kdf-unknown", "a password slot of an unknown function is ignored for opening", "ok", "alg", "argon3")
	kdf("kdf-other-version", "a password slot of an unknown version of the function is ignored for opening", "ok", "v", 20)
	for name, unknown := range map[string]string{"kdf-unknown-password": "kdf-unknown", "kdf-other-version-password": "kdf-other-version"} {
		v := r.all[unknown]
		v.Comment, v.Expect = "the right password, and its slot has an unknown function or an unknown version of it", "wrong key"
		v.RecoveryKey, v.Password, v.Epochs, v.Names = "", victimPassword, nil, nil
		r.all[name] = v
	}
	kdf("kdf-unknown-field", "an unknown field of a kdf is ignored for opening", "ok", "Later", 1)
	kdf("kdf-passes-none", "a password slot of no pass", "damaged", "t", 0)
	kdf("kdf-passes-many", "a password slot of 17 passes", "damaged", "t", 17)
	kdf("kdf-lanes-none", "a password slot of no lane", "damaged", "p", 0)
	kdf("kdf-lanes-many", "a password slot of 9 lanes", "damaged", "p", 9)
	kdf("kdf-salt-short", "a password slot with a salt of 31 bytes", "damaged", "salt", make([]byte, 31))
}

func (r *ruleBreaker) keyrings() {
	good := string(r.from.ring.encode())
	ring := func(name, comment, expect, from, to string) {
		if strings.Count(good, from) != 1 {
			r.Fatalf("%s: %q stands %d times", name, from, strings.Count(good, from))
		}
		r.reseal("keyring-"+name, comment, expect, 2, strings.Replace(good, from, to, 1), func(map[string]any) {})
	}
	other := `"k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	ring("spaced", "white space in the keyring", "ok", `{"vrk"`, ` { "vrk"`)
	ring("unknown-lower", "an unknown lower-case field of the keyring is ignored for opening", "ok", `{"vrk"`, `{"later":1,"vrk"`)
	ring("unknown-upper", "an unknown upper-case field of the keyring", "too new", `{"vrk"`, `{"Later":1,"vrk"`)
	ring("unknown-upper-deep", "an unknown upper-case field of a key", "too new", `{"e":1`, `{"Later":1,"e":1`)
	ring("twice", "a key that comes twice in the keyring", "forged", `{"vrk"`, `{"vnk":"","vrk"`)
	ring("exponent", "an epoch with an exponent", "forged", `"e":1`, `"e":1e0`)
	ring("epochs-equal", "two keys of one epoch", "forged", `[{"e":1`, `[{"e":1,`+other+`,{"e":1`)
	ring("epochs-equal-behind", "two keys of one epoch, the other one last", "forged", `],"vnk"`, `,{"e":1,`+other+`],"vnk"`)
	ring("epochs-descend", "epochs that descend", "forged", `[{"e":1`, `[{"e":2,`+other+`,{"e":1`)
	ring("epoch-zero", "a key of epoch 0 ahead of the others", "forged", `[{"e":1`, `[{"e":0,`+other+`,{"e":1`)
	ring("newer-than-file", "the keyring has a later epoch than the file", "forged", `],"vnk"`, `,{"e":2,`+other+`],"vnk"`)
	ring("names-missing", "no name key", "forged", `"vnk"`, `"vnx"`)
	ring("creds-missing", "no list of credentials", "forged", `,"creds":[]`, ``)
	ring("creds-null", "a list of credentials that is null", "forged", `"creds":[]`, `"creds":null`)
	ring("credential-without-commitment", "a credential without its commitment", "forged", `"creds":[]`, `"creds":[{"n":1,"id":"01010101010101010101010101010101"}]`)
	ring("credential-zero", "a credential of number 0", "forged", `"creds":[]`, `"creds":[{"n":0,"id":"01010101010101010101010101010101","c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]`)
	ring("credential", "a credential", "ok", `"creds":[]`, `"creds":[{"n":1,"id":"01010101010101010101010101010101","c":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]`)
	r.edit("keyring-altered", "the keyring is altered behind its commitment", "forged", func(line map[string]any) { line["keyring"] = altered(r.T, line["keyring"]) })
}
