package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

func jsonOf(t testing.TB, file *vault.File) map[string]any {
	t.Helper()
	line, _, _ := bytes.Cut(file.Bytes(), []byte("\n"))
	var parsed map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func slotField(parsed map[string]any, slot int, name string) any {
	return parsed["slots"].([]any)[slot].(map[string]any)[name]
}

func TestFileLooksAsSpecified(t *testing.T) {
	opened, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	lines := strings.Split(string(opened.File().Bytes()), "\n")
	if len(lines) != 4 || len(lines[1]) != 44 || len(lines[2]) != 44 || lines[3] != "" {
		t.Fatalf("%d lines", len(lines))
	}
	for _, want := range []string{
		`{"fmt":1,"vault":"` + opened.ID().String() + `","gen":1,"created":1`, `,"suite":1,"names":"plain","etag":"md5","key_max":900,"epoch":1,"keyring":"`,
		`"slots":[{"id":"`, `"type":"recovery","label":"64-digit key","created":1`, `"kdf":{"alg":"argon2id","v":19,"t":1,"m_kib":19456,"p":1,"salt":"`,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("%s is not in %.400s", want, lines[0])
		}
	}
	parsed := jsonOf(t, opened.File())
	for slot, names := range [][]string{{"created", "id", "krk", "label", "pk", "salt", "sk", "type"}, {"created", "id", "kdf", "krk", "label", "pk", "sk", "type"}} {
		var got []string
		for name := range parsed["slots"].([]any)[slot].(map[string]any) {
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, names) {
			t.Errorf("slot %d has %v", slot, got)
		}
		for name, size := range map[string]int{"sk": 136, "pk": 1216, "krk": 1168} {
			raw, err := base64.StdEncoding.DecodeString(slotField(parsed, slot, name).(string))
			if err != nil || len(raw) != size {
				t.Errorf("slot %d: %s has %d bytes", slot, name, len(raw))
			}
		}
	}
}

func TestParseKeepsTheBytes(t *testing.T) {
	opened, _ := newVault(t, vault.Options{})
	data := bytes.Clone(opened.File().Bytes())
	file, err := vault.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !bytes.Equal(file.Bytes(), opened.File().Bytes()) {
		t.Error("the file aliases the caller's bytes")
	}
	if file.ID() != opened.ID() || file.Generation() != 1 || file.Settings() != opened.Settings() || !file.Created().Equal(opened.File().Created()) || file.Created().IsZero() {
		t.Error("the parsed file differs")
	}
}

// Each row changes one thing about a good file; structure alone must refuse it, before any key is at hand.
func TestParseRefuses(t *testing.T) {
	opened, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	good := string(opened.File().Bytes())
	id := opened.ID().String()
	first := slotField(jsonOf(t, opened.File()), 0, "id").(string)
	second := slotField(jsonOf(t, opened.File()), 1, "id").(string)
	replace := func(old, fresh string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(good, old, fresh, 1)
	}
	damaged := map[string]string{
		"empty": "", "one line": "{}", "two lines": "{}\n\n", "no last line end": strings.TrimSuffix(good, "\n"), "fourth line": good + "x\n", "empty fourth": good + "\n",
		"CRLF": strings.ReplaceAll(good, "\n", "\r\n"), "BOM": "\ufeff" + good, "leading LF": "\n" + good,
		"too large":    replace(`"label":"password"`, `"label":"`+strings.Repeat("x", vault.MaxFileSize)+`"`),
		"MAC padding":  strings.Replace(good, "=\n", "\n", 1),
		"MAC spaces":   strings.Replace(good, "=\n", "= \n", 1),
		"trailing":     replace("]}\n", "]}{}\n"),
		"not closed":   replace("]}\n", "]\n"),
		"list":         replace(`{"fmt":1`, `[{"fmt":1`),
		"not UTF-8":    replace("64-digit", "64\xffdigit"),
		"control":      replace("64-digit", `64\u001bdigit`),
		"twice":        replace(`"gen":1`, `"gen":1,"gen":1`),
		"escape twice": replace(`"gen":1`, `"gen":1,"\u0067en":1`),
		"case":         replace(`"gen":1`, `"Gen":1`),
		"missing":      replace(`"gen":1,`, ""), "null": replace(`"gen":1`, `"gen":null`), "text number": replace(`"gen":1`, `"gen":"1"`),
		"zero": replace(`"gen":1`, `"gen":0`), "leading zero": replace(`"gen":1`, `"gen":01`), "plus": replace(`"gen":1`, `"gen":+1`), "negative": replace(`"gen":1`, `"gen":-1`), "fraction": replace(`"gen":1`, `"gen":1.0`), "exponent": replace(`"gen":1`, `"gen":1e0`),
		"above": replace(`"gen":1`, `"gen":10000000000`), "huge": replace(`"gen":1`, `"gen":99999999999999999999999`), "bool": replace(`"gen":1`, `"gen":true`),
		"epoch zero": replace(`"epoch":1`, `"epoch":0`), "epoch above": replace(`"epoch":1`, `"epoch":4294967296`),
		"format zero": replace(`"fmt":1`, `"fmt":0`), "key_max": replace(`"key_max":900`, `"key_max":63`),
		"id upper": replace(id, strings.ToUpper("a"+id[1:])), "id short": replace(id, id[1:]), "id odd": replace(id, "g"+id[1:]),
		"slots null": replace(`"slots":[`, `"slots":null,"x":[`), "slots empty": good[:strings.Index(good, `"slots":`)] + `"slots":[]}` + good[strings.Index(good, "\n"):],
		"slot text": replace(`"slots":[`, `"slots":["x",`), "same id": strings.ReplaceAll(good, second, first), "type number": replace(`"type":"recovery"`, `"type":1`),
		"kdf missing": replace(`"kdf":`, `"kdg":`), "kdf text": replace(`"kdf":{`, `"kdf":"x","y":{`),
		"memory low": replace(`"m_kib":19456`, `"m_kib":19455`), "memory high": replace(`"m_kib":19456`, `"m_kib":2097153`),
		"time zero": replace(`"t":1`, `"t":0`), "time high": replace(`"t":1`, `"t":17`), "lanes zero": replace(`"p":1`, `"p":0`), "lanes high": replace(`"p":1`, `"p":9`),
		"base64 url":   replace(`"keyring":"`, `"keyring":"_`),
		"base64 break": replace(`"keyring":"`, `"keyring":"\n`),
		"sk short":     replace(`"sk":"`+slotField(jsonOf(t, opened.File()), 0, "sk").(string), `"sk":"AAAA`),
		"krk missing":  replace(`"krk"`, `"krl"`), "pk null": replace(`"pk":"`, `"pk":null,"x":"`),
	}
	for name, text := range damaged {
		if _, err := vault.Parse([]byte(text)); !errors.Is(err, vault.ErrDamaged) || errors.Is(err, vault.ErrTooNew) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"format": replace(`"fmt":1`, `"fmt":2`), "suite": replace(`"suite":1`, `"suite":2`), "names": replace(`"plain"`, `"braided"`), "etag": replace(`"md5"`, `"sha256"`),
	} {
		if _, err := vault.Parse([]byte(text)); !errors.Is(err, vault.ErrTooNew) || errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseBoundsTheSlots(t *testing.T) {
	opened, _ := newVault(t, vault.Options{})
	good := string(opened.File().Bytes())
	slot := good[strings.Index(good, `{"id":`):strings.Index(good, "]}\n")]
	id := slotField(jsonOf(t, opened.File()), 0, "id").(string)
	for count, fits := range map[int]bool{1: true, 16: true, 17: false} {
		var slots []string
		for i := range count {
			slots = append(slots, strings.Replace(slot, id, strings.Repeat(string("0123456789abcdef"[i%16]), 14)+string("0123456789abcdef"[i/16])+"0", 1))
		}
		if _, err := vault.Parse([]byte(strings.Replace(good, slot, strings.Join(slots, ","), 1))); (err == nil) != fits {
			t.Errorf("%d slots: %v", count, err)
		}
	}
	unknown := strings.Repeat(`{"type":"later"},`, 255)
	if _, err := vault.Parse([]byte(strings.Replace(good, slot, unknown+slot, 1))); err != nil {
		t.Errorf("256 slots: %v", err)
	}
	if _, err := vault.Parse([]byte(strings.Replace(good, slot, unknown+unknown[:18]+slot, 1))); err == nil {
		t.Error("257 slots were taken")
	}
	if _, err := vault.Parse([]byte(strings.Replace(good, slot, unknown[:len(unknown)-1], 1))); err == nil {
		t.Error("a file that nobody can open was taken")
	}
}

func TestFileNames(t *testing.T) {
	for generation, name := range map[uint64]string{1: "0000000001.json", 42: "0000000042.json", vault.MaxGeneration: "9999999999.json"} {
		if got := vault.FileName(generation); got != name {
			t.Errorf("FileName(%d) = %s", generation, got)
		}
		if got, ok := vault.ParseFileName(name); !ok || got != generation {
			t.Errorf("ParseFileName(%s) = %d, %t", name, got, ok)
		}
	}
	for _, name := range []string{"", ".json", "0000000000.json", "1.json", "00000000001.json", "0000000001.JSON", "0000000001", "+000000001.json", "000000000x.json", "0000000001.json.tmp", "-000000001.json"} {
		if generation, ok := vault.ParseFileName(name); ok {
			t.Errorf("ParseFileName(%q) = %d", name, generation)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	opened, _ := newVault(t, vault.Options{})
	if id, err := vault.ParseID(opened.ID().String()); err != nil || id != opened.ID() {
		t.Errorf("%v, %v", id, err)
	}
	slot := opened.File().Slots()[0].ID
	if id, err := vault.ParseSlotID(slot.String()); err != nil || id != slot {
		t.Errorf("%v, %v", id, err)
	}
	for _, text := range []string{"", "00", strings.Repeat("A", 32), strings.Repeat("g", 32), strings.Repeat("a", 33)} {
		if _, err := vault.ParseID(text); err == nil {
			t.Errorf("id %q was taken", text)
		}
		if _, err := vault.ParseSlotID(text); err == nil {
			t.Errorf("slot id %q was taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	opened, _, err := vault.Create(f.Context(), newHasher(f), vault.Options{Password: secret.NewString(goodPassword)})
	if err != nil {
		f.Fatal(err)
	}
	good := opened.File().Bytes()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"type":"password"`), []byte(`"type":"later"`), 1))
	f.Add(bytes.Replace(good, []byte(`"fmt":1`), []byte(`"fmt":1,"new":[{}]`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := vault.Parse(data)
		if err != nil {
			if !errors.Is(err, vault.ErrDamaged) && !errors.Is(err, vault.ErrTooNew) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(file.Bytes(), data) || file.Generation() < 1 || len(file.Slots()) == 0 {
			t.Error("parsed into something else")
		}
		if _, err := file.OpenWithRecoveryKey(vault.NewRecoveryKey()); err == nil {
			t.Error("a random key opened the file")
		}
	})
}
