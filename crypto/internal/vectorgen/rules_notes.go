package main

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

// donePart is the part number in the context of the note of a completed upload.
const donePart = 0xffff

// rawNote seals any text as a note; change alters its clear header first.
func rawNote(g *generator, u object.Upload, part int, text string, change func(header []byte)) []byte {
	header := []byte{1, byte(u.Mode), 0, 0}
	header = append(binary.BigEndian.AppendUint32(header, u.Epoch), u.Salt[:]...)
	change(header)
	context := append(keys.Label("upload"), u.VaultID[:]...)
	context = keys.AppendSized(context, []byte(u.ID))
	context = append(binary.BigEndian.AppendUint16(context, uint16(part)), header...)
	key := g.vrk.StateKey()
	return append(header, must(chunked.Seal(key.Reveal(), context, []byte(text)))...)
}

// noteRules are notes with one fault each, and some that look like one.
func noteRules() []vector {
	const place = `{"b":"bucket","k":"folder/key","pr":"alice"}`
	frame := func(text string) string {
		return strings.NewReplacer("SALT", base64.StdEncoding.EncodeToString(make([]byte, 24)), "COMMITMENT", base64.StdEncoding.EncodeToString(make([]byte, 32))).Replace(text)
	}
	part := frame(`{"n":5,"p":12345,"fs":"SALT","fc":"COMMITMENT","e":"etag","be":"backend"}`)
	ordinary := map[string]map[string]string{
		"upload-note": {"b": "bucket", "k": "folder/key", "pr": "alice"},
		"part-note":   {"n": "5", "p": "12345", "e": "etag", "be": "backend"},
		"done-note":   {"e": ""},
	}
	raw := func(name, fact, kind, result string, mode object.Mode, text string, after func(g *generator, u object.Upload, sealed []byte) []byte) vector {
		number := map[string]int{"upload-note": 0, "part-note": 5, "done-note": donePart}[kind]
		return note("note-"+name, fact, kind, mode, number, func(g *generator, u object.Upload) []byte {
			g.Result = result
			if result == "ok" {
				g.Note = ordinary[kind]
			}
			return after(g, u, rawNote(g, u, number, text, func([]byte) {}))
		})
	}
	as := func(_ *generator, _ object.Upload, sealed []byte) []byte { return sealed }
	upload := func(name, fact, from, to string) vector {
		return raw(name, fact, "upload-note", "damaged", object.ModeVault, swap(place, from, to), as)
	}
	partNote := func(name, fact, from, to string) vector {
		return raw(name, fact, "part-note", "damaged", object.ModeVault, swap(part, from, to), as)
	}
	header := func(name, fact string, at int, value byte) vector {
		return raw(name, fact+", sealed so", "upload-note", "unsupported", object.ModeVault, place, func(g *generator, u object.Upload, _ []byte) []byte {
			return rawNote(g, u, 0, place, func(header []byte) { header[at] = value })
		})
	}
	moved := func(name, fact string, change func(g *generator)) vector {
		return raw(name, fact, "part-note", "wrong key", object.ModeVault, part, func(g *generator, _ object.Upload, sealed []byte) []byte {
			change(g)
			return sealed
		})
	}
	filled := func(size int) func(*generator, object.Upload, []byte) []byte {
		return func(g *generator, u object.Upload, _ []byte) []byte {
			return rawNote(g, u, 0, place+strings.Repeat(" ", size-40-56-16-len(place)), func([]byte) {})
		}
	}
	keysOfC := `,"kt":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `","kl":"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`
	return []vector{
		raw("upload-least", "a note without headers and checksum", "upload-note", "ok", object.ModeVault, place, as),
		raw("upload-unknown-lower", "an unknown lower-case field is ignored", "upload-note", "ok", object.ModeVault, swap(place, "{", `{"zz":1,`), as),
		raw("part-customer", "the note of a part in mode C", "part-note", "ok", object.ModeCustomer, part, as),
		raw("done-opaque", "the completed object's ETag follows from the backend's", "done-note", "ok", object.ModeVault, `{"e":""}`, as),
		raw("longest", "a note of 16 KiB", "upload-note", "ok", object.ModeVault, place, filled(16384)),
		raw("too-long", "a note of 16 KiB and a byte", "upload-note", "foreign", object.ModeVault, place, filled(16385)),
		raw("too-short", "a note too short for an empty message", "upload-note", "foreign", object.ModeVault, place, func(_ *generator, _ object.Upload, sealed []byte) []byte {
			return sealed[:40+56+15]
		}),
		header("version-2", "version 2", 0, 2),
		header("mode-p", "mode P", 1, 'P'),
		header("zero", "a byte that must be zero is none", 3, 1),
		moved("other-upload", "the note of another upload", func(g *generator) { g.Upload = "upload-id/2" }),
		moved("other-part", "the note of another part", func(g *generator) { g.Part = 6 }),
		moved("other-epoch", "the root key is that of another epoch", func(g *generator) { g.Epoch = 4 }),
		moved("other-vault", "the note of another vault with the same root key", func(g *generator) { g.Vault = strings.Repeat("5a", 16) }),
		moved("other-key", "the note under another root key", func(g *generator) {
			other := randomVRK()
			g.VRK = hexOf(other.Reveal()[:])
		}),
		raw("altered", "a bit of the sealed text is altered", "part-note", "damaged", object.ModeVault, part, func(_ *generator, _ object.Upload, sealed []byte) []byte {
			sealed[96] ^= 1
			return sealed
		}),
		raw("tag", "the last bit is altered", "part-note", "damaged", object.ModeVault, part, func(_ *generator, _ object.Upload, sealed []byte) []byte {
			sealed[len(sealed)-1] ^= 1
			return sealed
		}),
		raw("cut", "the last byte is missing", "part-note", "damaged", object.ModeVault, part, func(_ *generator, _ object.Upload, sealed []byte) []byte {
			return slices.Clip(sealed[:len(sealed)-1])
		}),
		upload("bucket-empty", "the bucket is empty", `"bucket"`, `""`),
		upload("key-missing", "the key is missing", `"k":"folder/key",`, ``),
		upload("principal-missing", "who began the upload is missing", `,"pr":"alice"`, ``),
		upload("unknown-upper", "an unknown upper-case field is refused", `{`, `{"Z":1,`),
		upload("twice", "a key comes twice", `{`, `{"b":"bucket",`),
		upload("header-in-both", "a name among the headers of text and of bytes", `{`, `{"h":{"a":"b"},"hx":{"a":"/w=="},`),
		upload("type-without-algorithm", "the type of a checksum without its algorithm", `{`, `{"ct":"COMPOSITE",`),
		upload("algorithm-without-type", "the algorithm of a checksum without its type", `{`, `{"ca":"SHA256",`),
		upload("keys-in-mode-v", "keys of table and tail in a note of mode V", `}`, keysOfC),
		raw("keys-missing", "no keys of table and tail in a note of mode C", "upload-note", "damaged", object.ModeCustomer, place, as),
		raw("table-key-alone", "the key of the table without that of the tail", "upload-note", "damaged", object.ModeCustomer, swap(place, `}`, keysOfC[:strings.Index(keysOfC, `,"kl"`)]+"}"), as),
		partNote("part-number", "the note of part 5 says part 6", `"n":5`, `"n":6`),
		partNote("length-exponent", "the length is written with an exponent", `12345`, `12345e0`),
		partNote("length-beyond", "a length above 48 bits", `12345`, `281474976710656`),
		partNote("md5-short", "an MD5 of 15 bytes", `{`, `{"md5":"`+base64.StdEncoding.EncodeToString(make([]byte, 15))+`",`),
		partNote("checksum-long", "a checksum of 65 bytes", `{`, `{"ck":"`+base64.StdEncoding.EncodeToString(make([]byte, 65))+`",`),
		partNote("etag-missing", "the ETag that the client was given is missing", `"e":"etag",`, ``),
		partNote("etag-empty", "the ETag that the client was given is empty", `"etag"`, `""`),
		partNote("nowhere", "the part is neither at the backend nor held", `,"be":"backend"`, ``),
		partNote("two-places", "the part is at the backend and held", `}`, `,"held":"x"}`),
		partNote("digest-short", "a digest of the held frame of 31 bytes", `,"be":"backend"`, `,"held":"x","hh":"`+base64.StdEncoding.EncodeToString(make([]byte, 31))+`"`),
		partNote("digest-of-none-held", "a digest of a held frame, and the part is at the backend", `}`, `,"hh":"`+base64.StdEncoding.EncodeToString(make([]byte, 32))+`"}`),
		partNote("salt-missing", "the frame's salt is missing", frame(`"fs":"SALT",`), ``),
		raw("done-etag-missing", "the note of a completed upload without ETag", "done-note", "damaged", object.ModeVault, `{}`, as),
		note("note-done-as-upload", "the note of a completed upload in the place of the upload's own", "upload-note", object.ModeVault, 0, func(g *generator, u object.Upload) []byte {
			g.Result = "wrong key"
			return rawNote(g, u, donePart, place, func([]byte) {})
		}),
	}
}

func swap(text, from, to string) string {
	if strings.Count(text, from) != 1 {
		panic("vectorgen: internal error: nothing to replace: " + from)
	}
	return strings.Replace(text, from, to, 1)
}
