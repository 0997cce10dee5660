package main

import (
	"fmt"
	"time"

	"sallyport/crypto/object"
)

const mib5 = 5 << 20

func allVectors() []vector {
	var all []vector
	all = append(all, plainObjects()...)
	all = append(all, metadataObjects()...)
	all = append(all, attacks()...)
	all = append(all, multipartAttacks()...)
	all = append(all, notes()...)
	// What came later stands behind, so that the manifest grows at its end only.
	all = append(all, jsonRules()...)
	all = append(all, metadataRules()...)
	all = append(all, keyRules()...)
	all = append(all, sizeRules()...)
	all = append(all, frameRules()...)
	all = append(all, tableRules()...)
	return append(all, noteRules()...)
}

// plainObjects are the sizes around every edge, in both modes, as a single PUT and as one, two and three parts.
func plainObjects() []vector {
	var all []vector
	for _, mode := range []object.Mode{object.ModeVault, object.ModeCustomer} {
		for _, size := range []int64{0, 1, 16383, 16384, 16385, mib5 - 1, mib5, mib5 + 1} {
			all = append(all, object1(mode, size, 0), object1(mode, size, 7))
		}
		for i, sizes := range [][]int64{{mib5, 0}, {mib5, 1}, {mib5 + 1, mib5 - 1}, {mib5, mib5 + 1, 0}, {mib5, mib5, 16384}} {
			kept := mode == object.ModeVault && i == 1
			all = append(all, vector{
				name: fmt.Sprintf("%s-multipart-%d", mode, i+1), fact: fmt.Sprintf("parts of %v bytes, part numbers with gaps", sizes), large: !kept,
				make: func(g *generator) []byte {
					p := g.start(mode)
					for j, n := range sizes {
						p.add(2+3*j, n)
					}
					return p.finish(g, p.metadata())
				},
			})
		}
	}
	return all
}

func object1(mode object.Mode, size int64, number int) vector {
	v := vector{name: fmt.Sprintf("%s-put-%d", mode, size), fact: fmt.Sprintf("a single PUT of %d bytes", size), large: size > 1<<20}
	if number > 0 {
		v.name, v.fact = fmt.Sprintf("%s-one-part-%d", mode, size), fmt.Sprintf("a multipart upload of one part of %d bytes", size)
	}
	v.make = func(g *generator) []byte {
		p := g.start(mode).add(number, size)
		return p.finish(g, p.metadata())
	}
	return v
}

// metadataObjects are one-byte objects that differ in what their tails say.
func metadataObjects() []vector {
	withMetadata := func(name, fact string, change func(m *object.Metadata)) vector {
		return vector{name: name, fact: fact, make: func(g *generator) []byte {
			p := g.start(object.ModeVault).add(0, 1)
			m := p.metadata()
			change(m)
			return p.finish(g, m)
		}}
	}
	withText := func(name, fact, result, more string) vector {
		return vector{name: name, fact: fact, make: func(g *generator) []byte {
			p := g.start(object.ModeVault).add(0, 1)
			m := &object.Metadata{Bucket: "bucket", Key: "folder/key", Time: time.UnixMilli(1790000000123)}
			p.expect(g, m)
			if result != "ok" {
				g.refused(result, 0)
			}
			return p.withTail(p.tailText(more))
		}}
	}
	return []vector{
		withMetadata("metadata-least", "no ETag, checksum, headers or user metadata", func(m *object.Metadata) {
			*m = object.Metadata{Bucket: "b", Key: "k", Time: m.Time}
		}),
		withMetadata("metadata-escapes", "quotation mark, backslash, control bytes and & < > in the key", func(m *object.Metadata) {
			m.Key = "a\"b\\c\x00\x01\n\x1f\x7f&<>\u2028"
		}),
		withMetadata("metadata-unicode", "letters outside ASCII and outside the basic plane", func(m *object.Metadata) {
			m.Key = "größe/日本語/🗝"
			m.UserMetadata = map[string]string{"motto": "π ≈ 3"}
		}),
		withMetadata("metadata-bytes", "values that are not UTF-8 are stored under hx and mx", func(m *object.Metadata) {
			m.Headers = map[string]string{"content-type": "text/plain", "content-disposition": "attachment; filename=gr\xf6\xdfe"}
			m.UserMetadata = map[string]string{"latin": "\xe9", "text": "é"}
		}),
		withMetadata("metadata-writer", "a sealed credential wrote the object", func(m *object.Metadata) { m.Writer = 42 }),
		withText("metadata-unknown-lower", "an unknown lower-case field is ignored", "ok", `"zz":{"a":[1.5e3,null,true]},`),
		withText("metadata-white-space", "white space and any escape are allowed", "ok", " \n\"zz\" : \"\\u00e4\\ud83d\\udddd\\/\" ,\t"),
		withText("metadata-unknown-upper", "an unknown upper-case field is refused", "damaged", `"Z":1,`),
		withText("metadata-twice", "a key that comes twice is refused", "damaged", `"b":"other",`),
		withText("metadata-surrogate", "a lone surrogate is refused", "damaged", `"zz":"\ud800",`),
		withText("metadata-not-utf8", "invalid UTF-8 is refused", "damaged", "\"zz\":\"\xff\","),
		withText("metadata-exponent", "an integer with an exponent is refused", "damaged", `"e":1e3,`),
		{name: "metadata-after-the-end", fact: "bytes other than zero behind the JSON are refused", make: func(g *generator) []byte {
			p := g.start(object.ModeVault).add(0, 1)
			p.expect(g, &object.Metadata{Bucket: "bucket", Key: "folder/key", Time: time.UnixMilli(1790000000123)})
			g.refused("damaged", 0)
			return p.withTail(p.tailText("") + "\x00\x00x")
		}},
	}
}
