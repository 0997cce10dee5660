package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"sallyport/crypto/object"
)

// replaced is an object of one byte whose tail has one thing in its text replaced; number is the part number of its frame.
func replaced(name, fact, result string, number int, from, to string) vector {
	return vector{name: "metadata-" + name, fact: fact, make: func(g *generator) []byte {
		p := g.start(object.ModeVault).addAny(number, g.all.first(1))
		p.expect(g, plainMetadata())
		if result != "ok" {
			g.refused(result, 0)
		}
		text := strings.Replace(p.tailText(""), `"pn":0`, fmt.Sprintf(`"pn":%d`, number), 1)
		if strings.Count(text, from) != 1 {
			panic("vectorgen: internal error: " + name + " replaces nothing")
		}
		return p.withTail(strings.Replace(text, from, to, 1))
	}}
}

// added is an object of one byte whose tail says more in front of the rest.
func added(name, fact, result, more string) vector {
	return replaced(name, fact, result, 0, "{", "{"+more+",")
}

// plainMetadata is what the text of every raw tail says.
func plainMetadata() *object.Metadata {
	return &object.Metadata{Bucket: "bucket", Key: "folder/key", Time: time.UnixMilli(1790000000123)}
}

// withContent is an object of one byte whose tail holds the given content, made from its proper text.
func withContent(name, fact, result string, content func(text string) string) vector {
	return vector{name: "metadata-" + name, fact: fact, make: func(g *generator) []byte {
		p := g.start(object.ModeVault).add(0, 1)
		p.expect(g, plainMetadata())
		if result != "ok" {
			g.refused(result, 0)
		}
		return p.withTail(content(p.tailText("")))
	}}
}

// nested is a value of so many arrays, one in the other.
func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// jsonRules are the rules of sealed JSON.
func jsonRules() []vector {
	return []vector{
		replaced("exponent-in-integer", "an integer that would be valid is written with an exponent", "damaged", 0, `"w":0`, `"w":0e0`),
		replaced("exponent-capital", "an integer that would be valid is written with a capital exponent", "damaged", 0, `"n":1`, `"n":1E0`),
		replaced("fraction-in-integer", "an integer that would be valid is written with a fraction", "damaged", 0, `"w":0`, `"w":0.0`),
		replaced("negative-zero", "an integer is written as minus zero", "damaged", 0, `"w":0`, `"w":-0`),
		replaced("leading-zero", "an integer is written with a zero ahead", "damaged", 0, `"p":1`, `"p":01`),
		replaced("integer-as-string", "an integer is written as a string", "damaged", 0, `"w":0`, `"w":"0"`),
		replaced("integer-null", "an integer is null", "damaged", 0, `"w":0`, `"w":null`),
		replaced("integer-true", "an integer is a truth value", "damaged", 0, `"n":1`, `"n":true`),
		added("plus-sign", "a number with a plus sign is refused, in an unknown field too", "damaged", `"zz":+1`),
		added("not-a-number", "NaN is refused, in an unknown field too", "damaged", `"zz":NaN`),
		replaced("comma-behind", "a comma behind the last field is refused", "damaged", 0, `"w":0}`, `"w":0,}`),
		added("raw-control", "a control byte in a string that is not escaped is refused", "damaged", "\"zz\":\"\x01\""),
		added("bad-escape", "an escape that JSON does not know is refused", "damaged", `"zz":"\x41"`),
		added("surrogate-bytes", "half of a surrogate pair in the bytes of UTF-8 is refused", "damaged", "\"zz\":\"\xed\xa0\x80\""),
		added("overlong", "overlong UTF-8 is refused", "damaged", "\"zz\":\"\xc1\x81\""),
		added("surrogate-in-key", "half of a surrogate pair in a key deep inside is refused", "damaged", `"zz":[{"\udc00":1}]`),
		added("surrogates-reversed", "a surrogate pair in the wrong order is refused", "damaged", `"zz":"\udd1d\ud83d"`),
		added("twice-by-escape", "a key that comes twice, once with an escape, is refused", "damaged", `"\u0077":0`),
		added("twice-deep", "a key that comes twice deep inside is refused", "damaged", `"zz":[{"a":1,"a":1}]`),
		added("twice-in-headers", "a name that comes twice in the headers is refused", "damaged", `"h":{"a":"b","a":"b"}`),
		added("eight-deep", "eight levels below the outermost object are read", "ok", `"zz":`+nested(8)),
		added("eight-deep-filled", "what stands in the eighth level is no level of its own", "ok", `"zz":`+strings.Repeat("[", 8)+`1,"a",null`+strings.Repeat("]", 8)),
		added("nine-deep", "nine levels below the outermost object are refused", "damaged", `"zz":`+nested(9)),
		added("unknown-digit", "an unknown field that begins with a digit is refused", "damaged", `"1":1`),
		added("unknown-empty", "an unknown field without a name is refused", "damaged", `"":1`),
		added("case-folded", "a known field in upper case is an unknown field, and refused", "damaged", `"K":"folder/key"`),
		replaced("escaped-name", "a field name may be written with escapes", "ok", 0, `"k":"folder/key"`, `"\u006B":"folder\/key"`),
		withContent("array", "the JSON is an array", "damaged", func(text string) string { return "[" + text + "]" }),
		withContent("two-objects", "a second object stands behind the first", "damaged", func(text string) string { return text + "{}" }),
		withContent("byte-order-mark", "a byte order mark stands ahead of the JSON", "damaged", func(text string) string { return "\ufeff" + text }),
		withContent("space-around", "white space stands around the JSON", "ok", func(text string) string { return " " + text + "\r\n\t " }),
		withContent("no-zeros", "the JSON fills the tail and no zero stands behind it", "ok", func(text string) string {
			const frame = `"zz":"",`
			return `{"zz":"` + strings.Repeat("x", 3768-len(text)-len(frame)) + `",` + text[1:]
		}),
	}
}

// metadataRules are the fields of the tail and what each may be.
func metadataRules() []vector {
	const checksum = `"ck":{"a":"SHA256","t":"COMPOSITE","v":"x-1"`
	missing := func(name, from string) vector {
		return replaced(name+"-missing", "a tail without "+name+" is refused", "damaged", 0, from, "")
	}
	greatest := replaced("writer-greatest", "the greatest number of a credential", "ok", 0, `"w":0`, `"w":2147483647`)
	greatest.make = expecting(greatest.make, func(m *metadata) { m.Writer = 2147483647 })
	last := replaced("time-last", "the last millisecond of the year 9999", "ok", 0, `1790000000123`, `253402300799999`)
	last.make = expecting(last.make, func(m *metadata) { m.Millis = 253402300799999 })
	laterInChecksum := added("unknown-in-checksum", "an unknown lower-case field in the checksum is ignored", "ok", `"ck":{"a":"A","t":"T","v":"","zz":1}`)
	laterInChecksum.make = expecting(laterInChecksum.make, func(m *metadata) {
		m.Checksum = map[string]string{"algorithm": "A", "type": "T", "value": ""}
	})
	freeText := added("free-text", "the form of ETag and header names is the writer's duty", "ok", `"e":"x","h":{"Name":""},"m":{"":"y"}`)
	freeText.make = expecting(freeText.make, func(m *metadata) {
		m.ETag, m.Headers, m.User = "x", map[string]string{"Name": ""}, map[string]string{"": "79"}
	})
	bothKinds := added("same-name", "one name may stand among headers and user metadata", "ok", `"h":{"a":"b"},"mx":{"a":"/w=="}`)
	bothKinds.make = expecting(bothKinds.make, func(m *metadata) {
		m.Headers, m.User = map[string]string{"a": "62"}, map[string]string{"a": "ff"}
	})
	return []vector{
		missing("length", `"p":1,`), missing("frames", `"n":1,`), missing("part", `"pn":0,`), missing("bucket", `"b":"bucket",`),
		missing("key", `"k":"folder/key",`), missing("time", `"t":1790000000123,`), missing("writer", `,"w":0`),
		withContent("salt-missing", "a tail without the frame's salt is refused", "damaged", func(text string) string {
			return without(text, `"fs"`, `"fc"`)
		}),
		withContent("commitment-missing", "a tail without the frame's commitment is refused", "damaged", func(text string) string {
			return without(text, `"fc"`, `"b"`)
		}),
		greatest, last, laterInChecksum, freeText, bothKinds,
		replaced("writer-beyond", "the number of a credential is above 31 bits", "damaged", 0, `"w":0`, `"w":2147483648`),
		replaced("time-beyond", "a time after the year 9999", "damaged", 0, `1790000000123`, `253402300800000`),
		replaced("frames-none", "no frame", "damaged", 0, `"n":1`, `"n":0`),
		replaced("part-beyond", "a part number above 10,000, in tail and frame", "damaged", 10001, `"pn":10001`, `"pn":10001`),
		replaced("no-place-for-table", "two frames, and no place for their table", "damaged", 0, `"n":1,"pn":0`, `"n":2`),
		replaced("bucket-empty", "the bucket is empty", "damaged", 0, `"b":"bucket"`, `"b":""`),
		replaced("key-empty", "the key is empty", "damaged", 0, `"k":"folder/key"`, `"k":""`),
		replaced("bucket-null", "the bucket is null", "damaged", 0, `"b":"bucket"`, `"b":null`),
		added("etag-number", "an ETag that is a number", "damaged", `"e":1`),
		added("etag-null", "an ETag that is null instead of absent", "damaged", `"e":null`),
		added("checksum-null", "a checksum that is null instead of absent", "damaged", `"ck":null`),
		added("checksum-without-algorithm", "a checksum without algorithm", "damaged", `"ck":{"t":"FULL_OBJECT","v":"x"}`),
		added("checksum-without-type", "a checksum without type", "damaged", `"ck":{"a":"SHA256","v":"x"}`),
		added("checksum-without-value", "a checksum without value", "damaged", `"ck":{"a":"SHA256","t":"FULL_OBJECT"}`),
		added("checksum-unknown-upper", "an unknown upper-case field in the checksum is refused", "damaged", checksum+`,"Z":1}`),
		added("part-value-after-put", "a single PUT has no checksum of an only part", "damaged", checksum+`,"pv":"x"}`),
		replaced("part-value-missing", "a checksum of an upload of one part says that of the part", "damaged", 7, "{", "{"+checksum+"},"),
		replaced("part-value-empty", "the checksum of the only part is empty", "damaged", 7, "{", "{"+checksum+`,"pv":""},`),
		added("headers-null", "headers that are null instead of absent", "damaged", `"h":null`),
		added("header-number", "a header whose value is no string", "damaged", `"h":{"a":1}`),
		added("user-number", "user metadata whose value is no string", "damaged", `"m":{"a":1}`),
		added("raw-header-number", "a header of bytes whose value is no string", "damaged", `"hx":{"a":1}`),
		added("stray-bits", "base64 with stray bits", "damaged", `"mx":{"a":"/x=="}`),
		added("unpadded", "base64 without padding", "damaged", `"mx":{"a":"/w"}`),
		added("base64-line-break", "base64 with a line break", "damaged", `"mx":{"a":"/w==\n"}`),
		added("base64-url", "base64 of the other alphabet", "damaged", `"mx":{"a":"_w=="}`),
		added("header-in-both", "a name among the headers of text and of bytes", "damaged", `"h":{"a":"b"},"hx":{"a":"/w=="}`),
		added("user-in-both", "a name among the user metadata of text and of bytes", "damaged", `"m":{"a":"b"},"mx":{"a":"/w=="}`),
		{name: "metadata-salt-and-commitment-shifted", fact: "the salt has 25 bytes and the commitment 31, together the right ones", make: func(g *generator) []byte {
			return fieldsOfFrame(g, func(salt, commitment []byte) ([]byte, []byte) {
				return append(salt, commitment[0]), commitment[1:]
			})
		}},
		{name: "metadata-salt-other", fact: "the tail names another salt than the frame's, and the right commitment", make: func(g *generator) []byte {
			return fieldsOfFrame(g, func(salt, commitment []byte) ([]byte, []byte) {
				salt[0] ^= 1
				return salt, commitment
			})
		}},
		{name: "metadata-commitment-other", fact: "the tail names the frame's salt and another commitment", make: func(g *generator) []byte {
			return fieldsOfFrame(g, func(salt, commitment []byte) ([]byte, []byte) {
				commitment[31] ^= 1
				return salt, commitment
			})
		}},
		{name: "metadata-opaque-customer", fact: "mode C without an ETag, as a gateway writes it", make: func(g *generator) []byte {
			p := g.start(object.ModeCustomer).add(0, 1)
			m := p.metadata()
			m.ETag = ""
			return p.finish(g, m)
		}},
	}
}

// without cuts text from one place to another that stays.
func without(text, from, to string) string {
	head, rest, _ := strings.Cut(text, from)
	_, tail, found := strings.Cut(rest, to)
	if !found {
		panic("vectorgen: internal error: nothing to cut")
	}
	return head + to + tail
}

// expecting changes what must come out of an object whose tail says something else than the others.
func expecting(make func(g *generator) []byte, change func(m *metadata)) func(g *generator) []byte {
	return func(g *generator) []byte {
		file := make(g)
		change(g.Metadata)
		return file
	}
}

// fieldsOfFrame makes an object of one byte whose tail has other fs and fc.
func fieldsOfFrame(g *generator, change func(salt, commitment []byte) ([]byte, []byte)) []byte {
	p := g.start(object.ModeVault).add(0, 1)
	p.expect(g, plainMetadata())
	g.refused("damaged", 0)
	e := p.entries[0]
	salt, commitment := change(append([]byte(nil), e.FrameSalt[:]...), append([]byte(nil), e.Commitment[:]...))
	text := strings.Replace(p.tailText(""), base64.StdEncoding.EncodeToString(e.FrameSalt[:]), base64.StdEncoding.EncodeToString(salt), 1)
	return p.withTail(strings.Replace(text, base64.StdEncoding.EncodeToString(e.Commitment[:]), base64.StdEncoding.EncodeToString(commitment), 1))
}
