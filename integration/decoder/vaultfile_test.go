package decoder

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// This file reads vault files and system records as FORMAT.md sections 1, 7, 8 and 10 say. It is independent of the product, except that both take
// Argon2id and Unicode's NFC from golang.org/x, for want of another implementation at hand.

// refusal is why something is not opened, in the words of the vault's vectors.
type refusal string

func (r refusal) Error() string { return string(r) }

// Refusals unwind by panic inside this file, so that it reads like the document; openVault and openRecord recover them.
func demand(holds bool, otherwise refusal) {
	if !holds {
		panic(otherwise)
	}
}

func recoverRefusal(err *error) {
	switch r := recover().(type) {
	case nil:
	case refusal:
		*err = r
	default:
		panic(r)
	}
}

func word(text string) string { return "sallyport/v1/" + text + "\x00" }

func lp(data []byte) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(data)))) + string(data)
}

func number64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func expand(key []byte, info string, length int) []byte {
	out, err := hkdf.Expand(sha512.New, key, info, length)
	if err != nil {
		panic(err)
	}
	return out
}

func extract(salt, input []byte) []byte {
	out, err := hkdf.Extract(sha512.New, input, salt)
	if err != nil {
		panic(err)
	}
	return out
}

// openSealed opens a message of section 1. A commitment that differs is "wrong key", anything else that is wrong "damaged".
func openSealed(key []byte, context string, message []byte) []byte {
	demand(len(message) >= 56, "damaged")
	const prefix = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
	material := expand(key, prefix+string(message[:24])+context, 76)
	demand(hmac.Equal(material[44:], message[24:56]), "wrong key")
	block, err := aes.NewCipher(material[:32])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	var plain []byte
	for number, rest := uint64(0), message[56:]; ; number++ {
		chunk := rest[:min(len(rest), 16400)]
		rest = rest[len(chunk):]
		nonce := slices.Clone(material[32:44])
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^number)
		opened, err := aead.Open(nil, nonce, chunk, nil)
		demand(err == nil, "damaged")
		plain = append(plain, opened...)
		if len(opened) < 16384 {
			demand(len(rest) == 0, "damaged")
			return plain
		}
	}
}

// object is a JSON object in which no key came twice.
type object map[string]any

// noHalfPairs refuses escapes that give half of a surrogate pair, which encoding/json would replace.
func noHalfPairs(text string) {
	const high, low = `\\u[dD][89abAB][[:xdigit:]]{2}`, `\\u[dD][c-fC-F][[:xdigit:]]{2}`
	text = strings.ReplaceAll(text, `\\`, "")
	text = regexp.MustCompile(high+low).ReplaceAllString(text, "")
	demand(!regexp.MustCompile(high+"|"+low).MatchString(text), "damaged")
}

// readObject reads sealed or signed JSON.
func readObject(data []byte) object {
	demand(utf8.Valid(data), "damaged")
	noHalfPairs(string(data))
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber()
	value, isObject := readValue(tokens, 9).(object)
	_, err := tokens.Token()
	demand(isObject && errors.Is(err, io.EOF), "damaged")
	return value
}

func readValue(tokens *json.Decoder, depth int) any {
	token, err := tokens.Token()
	demand(err == nil, "damaged")
	opening, isDelimiter := token.(json.Delim)
	if !isDelimiter {
		return token
	}
	demand(depth > 0, "damaged")
	if opening == '[' {
		list := []any{}
		for tokens.More() {
			list = append(list, readValue(tokens, depth-1))
		}
		_, err = tokens.Token()
		demand(err == nil, "damaged")
		return list
	}
	members := object{}
	for tokens.More() {
		name, err := tokens.Token()
		demand(err == nil, "damaged")
		_, twice := members[name.(string)] // encoding/json gives a string here
		demand(!twice, "damaged")
		members[name.(string)] = readValue(tokens, depth-1)
	}
	_, err = tokens.Token()
	demand(err == nil, "damaged")
	return members
}

func (o object) text(name string) string {
	text, ok := o[name].(string)
	demand(ok, "damaged")
	return text
}

func (o object) number(name string) uint64 {
	literal, ok := o[name].(json.Number)
	demand(ok && !strings.ContainsAny(string(literal), "-.eE"), "damaged")
	number, err := literal.Int64()
	demand(err == nil, "damaged")
	return uint64(number)
}

func (o object) numberWithin(name string, least, most uint64) uint64 {
	number := o.number(name)
	demand(least <= number && number <= most, "damaged")
	return number
}

// onlyKnown refuses what section 10 says of unknown keys; line 1 of a vault file is exempt.
func (o object) onlyKnown(names ...string) {
	for name := range o {
		demand(slices.Contains(names, name) || name != "" && 'a' <= name[0] && name[0] <= 'z', "too new")
	}
}

func (o object) list(name string) []object {
	values, ok := o[name].([]any)
	demand(ok, "damaged")
	objects := make([]object, len(values))
	for i, value := range values {
		objects[i], ok = value.(object)
		demand(ok, "damaged")
	}
	return objects
}

func (o object) object(name string) object {
	value, ok := o[name].(object)
	demand(ok, "damaged")
	return value
}

func (o object) hex(name string, length int) []byte {
	data, err := hex.DecodeString(o.text(name))
	demand(err == nil && len(data) == length && strings.ToLower(o.text(name)) == o.text(name), "damaged")
	return data
}

// raw is base64 of so many bytes, or of any number if length is negative.
func (o object) raw(name string, length int) []byte { return strictBase64(o.text(name), length) }

func strictBase64(text string, length int) []byte {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	demand(err == nil && (length < 0 || len(data) == length) && base64.StdEncoding.EncodeToString(data) == text, "damaged")
	return data
}

// openedVault is what a vault file gives to somebody who holds a password or the 64-digit key.
type openedVault struct {
	id         []byte
	generation uint64
	epoch      uint64
	settings   [3]any
	line       []byte
	roots      map[uint64][]byte // root keys by epoch
	names      []byte            // VNK
}

// openVault opens a vault file with the one of key and password that is not empty.
func openVault(file []byte, key, password string) (opened *openedVault, err error) {
	defer recoverRefusal(&err)
	lines := bytes.Split(file, []byte("\n"))
	demand(len(file) <= 1<<20 && len(lines) == 4 && len(lines[3]) == 0 && !bytes.Contains(file, []byte("\r")), "damaged")
	head := readObject(lines[0])
	demand(head.number("fmt") == 1 && head.number("suite") == 1, "too new")
	names, etag, keyMax := head.text("names"), head.text("etag"), head.numberWithin("key_max", 64, 65535)
	head.numberWithin("created", 0, lastMillisecond)
	demand(len(head.raw("keyring", -1)) >= 72, "damaged")
	v := &openedVault{
		id: head.hex("vault", 16), generation: head.numberWithin("gen", 1, 9_999_999_999), epoch: head.numberWithin("epoch", 1, 1<<32-1),
		settings: [3]any{names, etag, keyMax}, line: lines[0],
	}
	demand(names == "plain" && (etag == "md5" || etag == "opaque"), "too new")
	slots := head.list("slots")
	checkSlots(slots)
	for _, slot := range slots {
		input, salt := known(slot, key, password)
		if input == nil || !understood(slot) {
			continue
		}
		if v.openSlot(head, slot, input, salt, strictBase64(string(lines[1]), 32), strictBase64(string(lines[2]), 32)) {
			return v, nil
		}
	}
	panic(refusal("wrong key"))
}

// lastMillisecond ends the year 9999.
const lastMillisecond = 253402300799999

// understood says whether this reader knows the slot's type and, if it is one for a password, how the password becomes a key.
func understood(slot object) bool {
	switch slot.text("type") {
	case "password":
		return slot.object("kdf").text("alg") == "argon2id" && slot.object("kdf").number("v") == 19
	case "recovery", "credential":
		return true
	}
	return false
}

func checkSlots(slots []object) {
	demand(len(slots) <= 256, "damaged")
	people, seen := 0, map[string]bool{}
	for _, slot := range slots {
		if !understood(slot) {
			continue
		}
		kind, id := slot.text("type"), string(slot.hex("id", 8))
		demand(!seen[id], "damaged")
		seen[id] = true
		label := slot.text("label")
		demand(len(label) <= 128 && !strings.ContainsFunc(label, unicode.IsControl), "damaged")
		slot.numberWithin("created", 0, lastMillisecond)
		slot.raw("pk", 1216)
		slot.raw("krk", 1168)
		if kind == "credential" {
			continue
		}
		people++
		slot.raw("sk", 136)
		if kind == "recovery" {
			slot.raw("salt", 32)
			continue
		}
		kdf := slot.object("kdf")
		kdf.raw("salt", 32)
		kdf.numberWithin("m_kib", 19<<10, 2<<20)
		kdf.numberWithin("t", 1, 16)
		kdf.numberWithin("p", 1, 8)
	}
	demand(1 <= people && people <= 16, "damaged")
}

// known is what a person knows, as 32 bytes, and the slot's salt; nil where it does not fit the slot's type.
func known(slot object, key, password string) (input, salt []byte) {
	switch {
	case slot.text("type") == "recovery" && key != "":
		digits, err := hex.DecodeString(strings.NewReplacer(" ", "", "-", "").Replace(key))
		demand(err == nil && len(digits) == 32, "wrong key")
		return digits, slot.raw("salt", 32)
	case slot.text("type") == "password" && password != "":
		kdf := slot.object("kdf")
		salt = kdf.raw("salt", 32)
		text := norm.NFC.Bytes([]byte(password))
		return argon2.IDKey(text, salt, uint32(kdf.number("t")), uint32(kdf.number("m_kib")), uint8(kdf.number("p")), 32), salt
	}
	return nil, nil
}

// openSlot says whether the slot opens; once it does, everything that does not fit is a forgery.
func (v *openedVault) openSlot(head, slot object, input, salt, mac, chain []byte) bool {
	id := slot.hex("id", 8)
	kek := expand(extract(salt, input), word("slot-kek")+string(v.id)+lp(id), 32)
	private, err := tryOpen(kek, word("slot-sk")+string(v.id)+lp(id), slot.raw("sk", 136))
	if errors.Is(err, refusal("wrong key")) {
		return false
	}
	demand(err == nil && len(private) == 64, "forged")
	seed, authentication := private[:32], private[32:]
	demand(hmac.Equal(mac, hmacSHA256(expand(authentication, word("vaultfile"), 32), v.line)), "forged")

	secret, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	demand(err == nil && bytes.Equal(secret.PublicKey().Bytes(), slot.raw("pk", 1216)), "forged")
	info := word("krk") + string(v.id) + lp(id) + number64(v.generation)
	krk, err := hpke.Open(secret, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), slot.raw("krk", 1168))
	demand(err == nil && len(krk) == 32, "forged")
	sealed, err := tryOpen(krk, word("keyring")+string(v.id)+number64(v.generation), head.raw("keyring", -1))
	demand(err == nil, "forged")
	err = v.readKeyring(sealed)
	demand(!errors.Is(err, refusal("too new")), "too new")
	demand(err == nil && v.roots[v.epoch] != nil, "forged")
	demand(hmac.Equal(chain, hmacSHA256(expand(v.roots[v.epoch], word("chain"), 32), v.line)), "forged")
	return true
}

func (v *openedVault) readKeyring(sealed []byte) (err error) {
	defer recoverRefusal(&err)
	ring := readObject(sealed)
	ring.onlyKnown("vrk", "vnk", "creds")
	v.names, v.roots = ring.raw("vnk", 64), map[uint64][]byte{}
	last := uint64(0)
	for _, row := range ring.list("vrk") {
		row.onlyKnown("e", "k")
		last = row.numberWithin("e", last+1, v.epoch)
		v.roots[last] = row.raw("k", 32)
	}
	for _, row := range ring.list("creds") {
		row.onlyKnown("n", "id", "c")
		row.numberWithin("n", 1, 1<<53)
		row.hex("id", 16)
		row.raw("c", 32)
	}
	return nil
}

func tryOpen(key []byte, context string, message []byte) (plain []byte, err error) {
	defer recoverRefusal(&err)
	return openSealed(key, context, message), nil
}

func hmacSHA256(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}

// checkPin compares the vault with what a gateway remembered of it.
func (v *openedVault) checkPin(text []byte) (err error) {
	defer recoverRefusal(&err)
	pin := readObject(text)
	demand(bytes.Equal(pin.hex("vault", 16), v.id), "other vault")
	demand(v.generation >= pin.number("gen") && v.epoch >= pin.number("epoch"), "rollback")
	sum := sha256.Sum256(v.line)
	demand(v.generation > pin.number("gen") || bytes.Equal(pin.raw("sha256", 32), sum[:]), "rollback")
	demand(v.settings == [3]any{pin.text("names"), pin.text("etag"), pin.number("key_max")}, "forged")
	pinned, there := v.roots[pin.number("epoch")]
	demand(there && hmac.Equal(expand(pinned, word("pin"), 32), pin.raw("pin", 32)), "forged")
	return nil
}

// openRecord opens the system record that stands at key.
func (v *openedVault) openRecord(kind, key string, sealed []byte) (content []byte, err error) {
	defer recoverRefusal(&err)
	demand(len(sealed) >= 16 && string(sealed[:12]) == "\x89SPR\r\n\x1a\n\x01\x01"+kind+"\x00", "damaged")
	vrk, there := v.roots[uint64(binary.BigEndian.Uint32(sealed[12:16]))]
	demand(there, "wrong key")
	return openSealed(expand(vrk, word("record"), 32), word("record")+string(sealed[:16])+string(v.id)+lp([]byte(key)), sealed[16:]), nil
}
