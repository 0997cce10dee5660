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
	"slices"
	"strings"
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

// readObject reads sealed or signed JSON. Half surrogate pairs are left to decoder.py.
func readObject(data []byte) object {
	demand(utf8.Valid(data), "damaged")
	tokens := json.NewDecoder(bytes.NewReader(data))
	tokens.UseNumber()
	value, isObject := readValue(tokens, 8).(object)
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
	demand(head.text("names") == "plain", "too new")
	demand(head.text("etag") == "md5" || head.text("etag") == "opaque", "damaged")
	v := &openedVault{id: head.hex("vault", 16), generation: head.number("gen"), epoch: head.number("epoch"), line: lines[0]}
	slots := head.list("slots")
	checkSlots(slots)
	for _, slot := range slots {
		input, salt := known(slot, key, password)
		if input == nil {
			continue
		}
		if v.openSlot(head, slot, input, salt, strictBase64(string(lines[1]), 32), strictBase64(string(lines[2]), 32)) {
			return v, nil
		}
	}
	panic(refusal("wrong key"))
}

func checkSlots(slots []object) {
	demand(len(slots) <= 256, "damaged")
	people := 0
	for _, slot := range slots {
		kind := slot.text("type")
		if kind != "password" && kind != "recovery" && kind != "credential" {
			continue
		}
		slot.hex("id", 8)
		slot.raw("pk", 1216)
		slot.raw("krk", 1168)
		if kind == "credential" {
			continue
		}
		people++
		slot.raw("sk", 136)
		if kind == "password" {
			kdf := slot.object("kdf")
			demand(kdf.text("alg") == "argon2id" && kdf.number("v") == 19, "damaged")
			within := func(name string, low, high uint64) bool { return low <= kdf.number(name) && kdf.number(name) <= high }
			demand(within("m_kib", 19<<10, 2<<20) && within("t", 1, 16) && within("p", 1, 8), "damaged")
		}
	}
	demand(people <= 16, "damaged")
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
	demand(err == nil && len(private) == 64, "damaged")
	seed, authentication := private[:32], private[32:]
	demand(hmac.Equal(mac, hmacSHA256(expand(authentication, word("vaultfile"), 32), v.line)), "forged")

	secret, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	demand(err == nil && bytes.Equal(secret.PublicKey().Bytes(), slot.raw("pk", 1216)), "forged")
	info := word("krk") + string(v.id) + lp(id) + number64(v.generation)
	krk, err := hpke.Open(secret, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info), slot.raw("krk", 1168))
	demand(err == nil && len(krk) == 32, "forged")
	sealed, err := tryOpen(krk, word("keyring")+string(v.id)+number64(v.generation), head.raw("keyring", -1))
	demand(err == nil, "forged")
	ring := readObject(sealed)

	v.names, v.roots = ring.raw("vnk", 64), map[uint64][]byte{}
	last := uint64(0)
	for _, row := range ring.list("vrk") {
		demand(row.number("e") > last, "damaged")
		last = row.number("e")
		v.roots[last] = row.raw("k", 32)
	}
	demand(last == v.epoch && last > 0, "forged")
	demand(hmac.Equal(chain, hmacSHA256(expand(v.roots[last], word("chain"), 32), v.line)), "forged")
	return true
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
