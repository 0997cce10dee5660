package main

import (
	"bytes"
	"slices"

	"sallyport/crypto/object"
)

const (
	header = object.FrameHeaderSize
	chunk  = 16384 + 16
)

// attack makes an honest object of one PUT and does something to the file.
func attack(name, fact string, size int64, result string, released int64, do func(g *generator, p *parts, file []byte) []byte) vector {
	return vector{name: "attack-" + name, fact: fact, make: func(g *generator) []byte {
		p := g.start(object.ModeVault).add(0, size)
		file := p.finish(g, p.metadata())
		g.refused(result, released)
		return do(g, p, file)
	}}
}

// flip is an attack on one bit, counted from the end when at is negative.
func flip(name, fact string, size int64, at int, result string, released int64) vector {
	return attack(name, fact, size, result, released, func(_ *generator, _ *parts, file []byte) []byte {
		if at < 0 {
			at += len(file)
		}
		file[at] ^= 1
		return file
	})
}

func attacks() []vector {
	tail := -object.TailSize
	return []vector{
		flip("frame-magic", "the frame's magic is altered", 1, 0, "damaged", 0),
		flip("frame-version", "the frame says another version", 1, 8, "damaged", 0),
		flip("frame-suite", "the frame says another suite", 1, 9, "damaged", 0),
		flip("frame-epoch", "the frame says another epoch", 1, 15, "damaged", 0),
		flip("frame-part", "the frame says another part number", 1, 17, "damaged", 0),
		flip("frame-length", "the frame says another length", 1, 23, "damaged", 0),
		flip("frame-object-salt", "the frame says another object salt", 1, 24, "damaged", 0),
		flip("frame-salt", "the frame's Cobblestone salt is altered", 1, 56, "damaged", 0),
		flip("frame-commitment", "the frame's commitment is altered", 1, 80, "damaged", 0),
		flip("chunk-first", "the first chunk is altered", 20000, header, "damaged", 0),
		flip("chunk-second", "the second chunk is altered", 20000, header+chunk, "damaged", 16384),
		flip("chunk-empty-last", "the tag of the empty last chunk is altered", 16384, header+chunk, "damaged", 0),
		flip("pad", "a byte of the padding is not zero", 1, header+17, "damaged", 0),
		flip("tail-magic", "the tail's magic is altered", 1, tail, "foreign", 0),
		flip("tail-version", "the tail says another version", 1, tail+8, "unsupported", 0),
		flip("tail-suite", "downgrade: the tail says another suite", 1, tail+9, "unsupported", 0),
		flip("tail-flags", "the tail has a flag set", 1, tail+11, "unsupported", 0),
		flip("tail-vault", "the tail says another vault", 1, tail+16, "wrong key", 0),
		flip("tail-object-salt", "the tail says another object salt", 1, tail+32, "wrong key", 0),
		flip("tail-salt", "the tail's Cobblestone salt is altered", 1, tail+64, "wrong key", 0),
		flip("tail-commitment", "the tail's commitment is altered", 1, tail+88, "wrong key", 0),
		flip("tail-chunk", "the tail's chunk is altered", 1, tail+120, "damaged", 0),
		flip("tail-tag", "the tail's tag is altered", 1, -1, "damaged", 0),
		attack("tail-mode", "downgrade: the tail says mode P, which is reserved", 1, "unsupported", 0, func(_ *generator, _ *parts, file []byte) []byte {
			file[len(file)-object.TailSize+10] = 'P'
			return file
		}),
		attack("tail-mode-customer", "the tail says mode C with an epoch", 1, "unsupported", 0, func(_ *generator, _ *parts, file []byte) []byte {
			file[len(file)-object.TailSize+10] = 'C'
			return file
		}),
		attack("cut-last-byte", "the last byte is missing", 1, "foreign", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return file[:len(file)-1]
		}),
		attack("cut-tail", "the tail is missing", 1, "foreign", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return file[:len(file)-object.TailSize]
		}),
		attack("cut-pad", "a byte of the padding is missing", 1, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return slices.Delete(file, header+17, header+18)
		}),
		attack("cut-chunk", "a byte of the last chunk is missing, and the length is that of a shorter object", 16385, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return slices.Delete(file, header+chunk, header+chunk+1)
		}),
		attack("extended", "a byte stands ahead of the tail", 1, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return slices.Insert(file, len(file)-object.TailSize, 0)
		}),
		attack("swapped-chunks", "two chunks changed places", 40000, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			first, second := bytes.Clone(file[header:header+chunk]), file[header+chunk:header+2*chunk]
			copy(file[header:], second)
			copy(file[header+chunk:], first)
			return file
		}),
		attack("plaintext-served", "plaintext stands where the ciphertext was", 1000, "foreign", 0, func(_ *generator, p *parts, _ []byte) []byte {
			return p.all.first(object.CanonicalSize(p.plain))
		}),
		attack("wrong-key", "the file is opened with another root key", 1, "wrong key", 0, func(g *generator, _ *parts, file []byte) []byte {
			other := randomVRK()
			g.VRK = hexOf(other.Reveal()[:])
			return file
		}),
		attack("frame-of-another-attempt", "the frame is that of another attempt to send the same bytes", 100, "damaged", 0, func(_ *generator, p *parts, file []byte) []byte {
			again, _ := p.frame(0, p.all.first(p.plain))
			copy(file, again)
			return file
		}),
		attack("frame-of-another-object", "the frame is that of another object of the same size", 100, "damaged", 0, func(g *generator, p *parts, file []byte) []byte {
			other := &parts{id: p.id, secret: p.secret, all: p.all}
			other.id.Salt = object.NewSalt()
			other.secret = g.secret(other.id)
			copy(file, other.add(0, p.plain).frames[0])
			return file
		}),
		attack("tail-of-another-object", "the tail is that of another object of the same size", 100, "damaged", 0, func(g *generator, p *parts, file []byte) []byte {
			id := p.id
			id.Salt = object.NewSalt()
			other := &parts{id: id, secret: g.secret(id), all: p.all}
			other.add(0, p.plain)
			foreign := other.finish(&generator{}, other.metadata())
			copy(file[len(file)-object.TailSize:], foreign[len(foreign)-object.TailSize:])
			return file
		}),
		{name: "attack-wrong-customer-key", fact: "an object in mode C is opened with another customer key", make: func(g *generator) []byte {
			p := g.start(object.ModeCustomer).add(0, 1)
			file := p.finish(g, p.metadata())
			other := randomVRK()
			g.CustomerKey = hexOf(other.Reveal()[:])
			g.refused("wrong key", 0)
			return file
		}},
	}
}

// multipartAttacks make an honest object of two parts of equal size and put something else in a part's place.
func multipartAttacks() []vector {
	multipart := func(name, fact string, released int64, do func(p *parts, file []byte)) vector {
		return vector{name: "attack-" + name, fact: fact, large: true, make: func(g *generator) []byte {
			p := g.start(object.ModeVault).add(1, mib5).add(2, mib5)
			file := p.finish(g, p.metadata())
			do(p, file)
			g.refused("damaged", released)
			return file
		}}
	}
	size := int(object.FrameSize(mib5))
	return []vector{
		multipart("swapped-parts", "two parts of the same size changed places", 0, func(p *parts, file []byte) {
			copy(file, p.frames[1])
			copy(file[size:], p.frames[0])
		}),
		multipart("replayed-part", "the first part stands in the place of the second too", mib5, func(p *parts, file []byte) {
			copy(file[size:], p.frames[0])
		}),
		multipart("part-of-another-attempt", "the second part is that of another attempt", mib5, func(p *parts, file []byte) {
			again, _ := p.frame(2, p.all.first(mib5))
			copy(file[size:], again)
		}),
		multipart("table-of-another-attempt", "the table was sealed again for other attempts, the tail was not", 0, func(p *parts, file []byte) {
			entries := slices.Clone(p.entries)
			_, entries[1] = p.frame(2, p.all.first(mib5))
			sealed := must(object.SealTable(p.id, p.secret.TableKey(), entries))
			off, _ := object.TableRange(int64(len(file)), 2)
			copy(file[off:], sealed)
		}),
		multipart("table-bit", "one bit of the table is altered", 0, func(_ *parts, file []byte) {
			off, _ := object.TableRange(int64(len(file)), 2)
			file[off+60] ^= 1
		}),
	}
}
