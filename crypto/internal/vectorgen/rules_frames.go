package main

import (
	"crypto/rand"
	"slices"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

// prefix is the clear beginning of a frame.
func (p *parts) prefix(number int, plain int64) []byte {
	head := p.tailHead()
	b := append([]byte("\x89SPF\r\n\x1a\n"), head[8:16]...)
	b = append(b, byte(number>>8), byte(number))
	b = append(b, byte(plain>>40), byte(plain>>32), byte(plain>>24), byte(plain>>16), byte(plain>>8), byte(plain))
	return append(b, p.id.Salt[:]...)
}

// addSealed appends a frame with any clear beginning, sealed as that says, and calls it the part of the given number.
func (p *parts) addSealed(prefix []byte, number int, plain []byte) *parts {
	key := p.secret.FrameKey()
	sealed := must(chunked.Seal(key.Reveal(), append(keys.Label("frame"), prefix...), plain))
	p.frames = append(p.frames, append(slices.Clone(prefix), sealed...))
	p.entries = append(p.entries, object.Entry{Part: number, Plain: int64(len(plain)), FrameSalt: [24]byte(sealed), Commitment: [32]byte(sealed[24:])})
	p.plain += int64(len(plain))
	return p
}

// addAny appends a part of any number, which the product would refuse above 10,000.
func (p *parts) addAny(number int, plain []byte) *parts {
	return p.addSealed(p.prefix(number, int64(len(plain))), number, plain)
}

// commitTo puts another commitment into the last frame.
func (p *parts) commitTo(commitment [32]byte) {
	p.entries[len(p.entries)-1].Commitment = commitment
	copy(p.frames[len(p.frames)-1][80:], commitment[:])
}

func randomCommitment() (c [32]byte) {
	rand.Read(c[:])
	return c
}

// frameRules are what a frame's first 112 bytes must be, each broken in two ways: the bytes say something else than what was sealed, or they
// were sealed saying it.
func frameRules() []vector {
	sealedSaying := func(name, fact string, at int, value byte) vector {
		return vector{name: "frame-sealed-" + name, fact: "the frame was sealed saying " + fact, make: func(g *generator) []byte {
			p := g.start(object.ModeVault)
			prefix := p.prefix(0, 1)
			prefix[at] ^= value
			p.addSealed(prefix, 0, g.all.first(1)).expect(g, plainMetadata())
			g.refused("damaged", 0)
			return p.withTail(p.tailText(""))
		}}
	}
	return []vector{
		flip("frame-mode", "the frame says another mode", 1, 10, "damaged", 0),
		flip("frame-flags", "the frame has a flag set", 1, 11, "damaged", 0),
		sealedSaying("magic", "another magic", 0, 1),
		sealedSaying("version", "version 2", 8, 1^2),
		sealedSaying("suite", "suite 2", 9, 1^2),
		sealedSaying("mode", "mode C", 10, 'V'^'C'),
		sealedSaying("flags", "a flag", 11, 1),
		sealedSaying("epoch", "another epoch", 15, 1),
		sealedSaying("part", "another part number", 17, 1),
		sealedSaying("length", "another length", 23, 1),
		sealedSaying("object-salt", "another object salt", 24, 1),
		{name: "frame-commitment-forged", fact: "the commitment in frame and tail is not the one of the key", make: func(g *generator) []byte {
			p := g.start(object.ModeVault).addAny(0, g.all.first(1))
			p.commitTo(randomCommitment())
			p.expect(g, plainMetadata())
			g.refused("damaged", 0)
			return p.withTail(p.tailText(""))
		}},
	}
}

// keyRules are objects without a fault, but for somebody else, or of a version to come.
func keyRules() []vector {
	honest := func(name, fact string, mode object.Mode, change func(g *generator)) vector {
		return vector{name: "key-" + name, fact: fact, make: func(g *generator) []byte {
			p := g.start(mode).add(0, 1)
			file := p.finish(g, p.metadata())
			g.refused("wrong key", 0)
			change(g)
			return file
		}}
	}
	otherVault := func(g *generator) {
		var id object.VaultID
		rand.Read(id[:])
		g.Vault = id.String()
	}
	throughout := func(name, fact string, mode object.Mode, at int, value byte) vector {
		return vector{name: "key-" + name, fact: fact + ", throughout and sealed so", make: func(g *generator) []byte {
			p := g.start(mode)
			prefix, head := p.prefix(0, 1), p.tailHead()
			prefix[at], head[at] = value, value
			p.addSealed(prefix, 0, g.all.first(1)).expect(g, plainMetadata())
			g.refused("unsupported", 0)
			return p.assemble(object.CanonicalSize(1), nil, p.rawTailUnder(head, p.tailText("")))
		}}
	}
	return []vector{
		honest("other-vault", "the object of another vault that has the same root key", object.ModeVault, otherVault),
		honest("other-vault-customer", "the object of another vault, sealed with this client's key", object.ModeCustomer, otherVault),
		honest("other-epoch", "the root key is that of another epoch", object.ModeVault, func(g *generator) { g.Epoch = 4 }),
		honest("vault-key-missing", "an object in mode V, and only a client's key", object.ModeVault, func(g *generator) {
			g.CustomerKey, g.VRK = g.VRK, ""
		}),
		honest("customer-key-missing", "an object in mode C, and only a root key of epoch 0", object.ModeCustomer, func(g *generator) {
			g.VRK, g.CustomerKey = g.CustomerKey, ""
		}),
		flip("tail-epoch", "the tail says another epoch", 1, -object.TailSize+15, "wrong key", 0),
		throughout("version-2", "version 2", object.ModeVault, 8, 2),
		throughout("suite-2", "suite 2", object.ModeVault, 9, 2),
		throughout("mode-p", "mode P, with the key of mode V", object.ModeVault, 10, 'P'),
		throughout("mode-p-customer", "mode P, with the key of mode C", object.ModeCustomer, 10, 'P'),
		throughout("flags", "a flag", object.ModeVault, 11, 1),
		throughout("customer-with-epoch", "mode C with a key id", object.ModeCustomer, 15, 3),
	}
}

// sizeRules are about the length of the file.
func sizeRules() []vector {
	return []vector{
		replaced("length-other", "the tail says two bytes; file and frame are those of one", "damaged", 0, `"p":1`, `"p":2`),
		attack("extended-to-no-size", "a zero stands ahead of the tail, and no object has the length", 16383, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			return slices.Insert(file, len(file)-object.TailSize, 0)
		}),
		attack("pad-last", "the last byte of the padding is not zero", 1, "damaged", 0, func(_ *generator, _ *parts, file []byte) []byte {
			file[len(file)-object.TailSize-1] = 1
			return file
		}),
	}
}
