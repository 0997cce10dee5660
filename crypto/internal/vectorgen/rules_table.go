package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

// multipart is an object of several parts in the making, everything in it open to change.
type multipart struct {
	*parts
	size     int64    // of the file
	rows     [][]byte // of the table
	checksum string   // in the tail, with a comma behind
	more     string   // in the tail, with a comma behind
	length   int64    // that the tail says
	forge    func(table []byte)
	name     func(salt, commitment []byte) // what the tail calls the table
}

// offsets in a row of the table.
const (
	rowFlags, rowZero, rowSalt, rowCommitment, rowChecksum = 3, 7, 16, 40, 88
)

func (m *multipart) file() []byte {
	key := m.secret.TableKey()
	table := must(chunked.Seal(key.Reveal(), append(keys.Label("table"), m.id.Salt[:]...), bytes.Join(m.rows, nil)))
	if m.forge != nil {
		m.forge(table)
	}
	salt, commitment := slices.Clone(table[:24]), slices.Clone(table[24:56])
	if m.name != nil {
		m.name(salt, commitment)
	}
	text := fmt.Sprintf(`{%s"p":%d,"n":%d,"fs":"%s","fc":"%s","b":"bucket","k":"folder/key",%s"t":1790000000123,"w":0}`, m.more, m.length, len(m.rows),
		base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(commitment), m.checksum)
	return m.assemble(m.size, table, m.rawTail(text))
}

// assemble puts frames, zeros, table and tail into a file of the given length.
func (p *parts) assemble(size int64, table, tail []byte) []byte {
	file := bytes.Join(p.frames, nil)
	file = append(file, make([]byte, size-int64(len(file)+len(table)+len(tail)))...)
	return append(append(file, table...), tail...)
}

// row is what the table says of a part.
func row(e *object.Entry) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(e.Part))
	b = append(b, 0, 3, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Plain))
	b = append(append(b, e.FrameSalt[:]...), e.Commitment[:]...)
	b = append(append(b, e.MD5[:]...), e.Checksum...)
	return append(b, make([]byte, object.EntrySize-len(b))...)
}

// partsOf makes an object of parts given by number and size.
func partsOf(g *generator, mode object.Mode, numbersAndSizes [][2]int) *multipart {
	m := &multipart{parts: g.start(mode), checksum: `"ck":{"a":"SHA256","t":"COMPOSITE","v":"x-2"},`}
	for _, part := range numbersAndSizes {
		plain := g.all.first(m.plain + int64(part[1]))[m.plain:]
		if part[0] > object.MaxParts {
			m.addAny(part[0], plain)
			m.entries[len(m.entries)-1].Checksum = make([]byte, 32)
		} else {
			m.add(part[0], int64(part[1]))
		}
		m.rows = append(m.rows, row(&m.entries[len(m.entries)-1]))
	}
	m.length, m.size = m.plain, object.CanonicalSize(m.plain)
	return m
}

// tableRules are what table and tail must say of the parts, and what stands around the table.
func tableRules() []vector {
	of := func(name, fact string, released int64, numbersAndSizes [][2]int, change func(m *multipart)) vector {
		return vector{name: "table-" + name, fact: fact, large: true, make: func(g *generator) []byte {
			m := partsOf(g, object.ModeVault, numbersAndSizes)
			m.expect(g, plainMetadata())
			g.refused("damaged", released)
			change(m)
			return m.file()
		}}
	}
	usual := [][2]int{{2, mib5}, {5, 1}}
	refused := func(name, fact string, change func(m *multipart)) vector { return of(name, fact, 0, usual, change) }
	numbers := func(name, fact string, first, second int) vector {
		return of(name, fact, 0, [][2]int{{first, mib5}, {second, 1}}, func(*multipart) {})
	}
	return append(tablesWithout(),
		refused("flag", "a row has a flag that does not exist", func(m *multipart) { m.rows[1][rowFlags] |= 4 }),
		refused("flag-high", "a row has a flag of the upper byte", func(m *multipart) { m.rows[0][rowFlags-1] |= 1 }),
		refused("zero-field", "the four zeros of a row are none", func(m *multipart) { m.rows[1][rowZero] = 1 }),
		refused("md5-without-bit", "an MD5 stands where the bit says there is none", func(m *multipart) { m.rows[1][rowFlags] &^= 1 }),
		refused("checksum-without-bit", "a checksum stands where the bit says there is none", func(m *multipart) { m.rows[1][rowFlags] &^= 2 }),
		refused("checksum-too-long", "a byte stands behind the 32 of a SHA256", func(m *multipart) { m.rows[1][rowChecksum+32] = 1 }),
		refused("checksum-without-algorithm", "the parts have checksums and the tail names no algorithm", func(m *multipart) { m.checksum = "" }),
		refused("part-value", "a checksum of an only part stands in the tail of two", func(m *multipart) {
			m.checksum = `"ck":{"a":"SHA256","t":"COMPOSITE","v":"x-2","pv":"x"},`
		}),
		refused("part-number", "the tail has a part number and two frames", func(m *multipart) { m.more = `"pn":2,` }),
		numbers("numbers-equal", "two parts have one number", 5, 5),
		numbers("numbers-descend", "the part numbers descend", 5, 2),
		numbers("number-zero", "the first part has the number 0", 0, 5),
		numbers("number-beyond", "a part has a number above 10,000", 2, 10001),
		of("short-part", "the first of two parts has a byte less than 5 MiB", 0, [][2]int{{2, mib5 - 1}, {5, 2}}, func(*multipart) {}),
		of("sum-above", "the parts have a byte more than file and tail say", 0, [][2]int{{2, mib5}, {5, 2}}, func(m *multipart) {
			m.length, m.size = mib5+1, object.CanonicalSize(mib5+1)
		}),
		of("sum-below", "the parts have a byte less than file and tail say", 0, [][2]int{{2, mib5}, {5, 0}}, func(m *multipart) {
			m.length, m.size = mib5+1, object.CanonicalSize(mib5+1)
		}),
		refused("file-longer", "file and padding are a byte longer than tail and parts say", func(m *multipart) { m.size = object.CanonicalSize(m.plain + 1) }),
		refused("salt-other", "the tail names another salt than the table's, and the right commitment", func(m *multipart) {
			m.name = func(salt, _ []byte) { salt[0] ^= 1 }
		}),
		refused("commitment-other", "the tail names the table's salt and another commitment", func(m *multipart) {
			m.name = func(_, commitment []byte) { commitment[0] ^= 1 }
		}),
		refused("commitment-forged", "the commitment in table and tail is not the one of the key", func(m *multipart) {
			other := randomCommitment()
			m.forge = func(table []byte) { copy(table[24:], other[:]) }
		}),
		of("row-salt-other", "a row names another salt than its frame's, and the right commitment", mib5, usual, func(m *multipart) { m.rows[1][rowSalt] ^= 1 }),
		of("row-commitment-other", "a row names its frame's salt and another commitment", mib5, usual, func(m *multipart) { m.rows[1][rowCommitment] ^= 1 }),
		vector{name: "table-pad-last", fact: "the last zero ahead of the table is none", large: true, make: func(g *generator) []byte {
			m := partsOf(g, object.ModeVault, usual)
			m.expect(g, plainMetadata())
			// The second part's one byte comes last, so that all of the first may be out.
			g.refused("damaged", mib5)
			file := m.file()
			off, _ := object.TableRange(int64(len(file)), 2)
			file[off-1] = 1
			return file
		}},
	)
}

// tablesWithout are legal tables that lack what others have.
func tablesWithout() []vector {
	legal := func(name, fact string, mode object.Mode, change func(m *multipart)) vector {
		return vector{name: "table-" + name, fact: fact, large: true, make: func(g *generator) []byte {
			m := partsOf(g, mode, [][2]int{{2, mib5}, {5, 1}})
			change(m)
			m.expect(g, plainMetadata())
			if m.checksum != "" {
				g.Metadata.Checksum = map[string]string{"algorithm": "SHA256", "type": "COMPOSITE", "value": "x-2"}
			}
			return m.file()
		}}
	}
	clearMD5 := func(m *multipart, i int) {
		m.rows[i][rowFlags] &^= 1
		clear(m.rows[i][72:rowChecksum])
		m.entries[i].HasMD5 = false
	}
	clearChecksum := func(m *multipart, i int) {
		m.rows[i][rowFlags] &^= 2
		clear(m.rows[i][rowChecksum:])
		m.entries[i].Checksum = nil
	}
	unknown := legal("unknown-algorithm", "all 64 bytes are the checksum of an algorithm whose length is not known", object.ModeVault, func(m *multipart) {
		m.checksum = `"ck":{"a":"BLAKE9","t":"COMPOSITE","v":"x-2"},`
		for i := range m.rows {
			m.rows[i][object.EntrySize-1] = 9
			m.entries[i].Checksum = m.rows[i][rowChecksum:]
		}
	})
	unknown.make = expecting(unknown.make, func(m *metadata) { m.Checksum["algorithm"] = "BLAKE9" })
	return []vector{
		legal("bare-customer", "mode C without ETag and MD5s, as a gateway writes it", object.ModeCustomer, func(m *multipart) {
			clearMD5(m, 0)
			clearMD5(m, 1)
		}),
		legal("bare", "no checksum and no MD5", object.ModeVault, func(m *multipart) {
			m.checksum = ""
			for i := range m.rows {
				clearMD5(m, i)
				clearChecksum(m, i)
			}
		}),
		legal("one-checksum", "the tail has a checksum and only the second part has one of its own", object.ModeVault, func(m *multipart) { clearChecksum(m, 0) }),
		unknown,
	}
}
