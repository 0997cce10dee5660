package main

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"

	"sallyport/crypto/object"
)

const uploadID = "upload-id/1"

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// note makes a note of an upload in the given mode. A note's epoch is that of the state key in both modes.
func note(name, fact, kind string, mode object.Mode, part int, seal func(g *generator, u object.Upload) []byte) vector {
	return vector{name: name, fact: fact, make: func(g *generator) []byte {
		epoch, vrk := g.Epoch, g.VRK
		id := g.identity(mode)
		id.Epoch, g.Epoch, g.VRK = epoch, epoch, vrk
		g.Kind, g.Upload, g.Part = kind, uploadID, part
		return seal(g, object.Upload{Identity: id, ID: uploadID})
	}}
}

func notes() []vector {
	upload := func(g *generator, u object.Upload) []byte {
		n := &object.UploadNote{
			Bucket: "bucket", Key: "folder/key", Principal: "alice", Headers: map[string]string{"content-type": "text/plain"},
			UserMetadata: map[string]string{"latin": "\xe9"}, ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT",
		}
		g.Note = map[string]string{"b": n.Bucket, "k": n.Key, "pr": n.Principal, "ca": n.ChecksumAlgorithm, "ct": n.ChecksumType}
		if u.Mode == object.ModeCustomer {
			secret := g.secret(u.ObjectIdentity())
			n.TableKey, n.TailKey = secret.TableKey(), secret.TailKey()
			g.Note["kt"] = base64.StdEncoding.EncodeToString(n.TableKey.Reveal()[:])
			g.Note["kl"] = base64.StdEncoding.EncodeToString(n.TailKey.Reveal()[:])
		}
		return must(object.SealUploadNote(g.vrk.StateKey(), u, n))
	}
	partNote := func(held bool) func(g *generator, u object.Upload) []byte {
		return func(g *generator, u object.Upload) []byte {
			n := &object.PartNote{
				Part: 5, Plain: 12345, MD5: g.all.first(16), Checksum: g.all.first(8), FrameSalt: [24]byte(g.all.first(24)),
				Commitment: [32]byte(g.all.first(32)), ETag: hexOf(g.all.first(16)),
			}
			g.Note = map[string]string{"n": strconv.Itoa(n.Part), "p": strconv.FormatInt(n.Plain, 10), "e": n.ETag}
			if held {
				n.Held = ".sallyport/held/x/5-y"
				g.Note["held"] = n.Held
			} else {
				n.BackendETag = "backend"
				g.Note["be"] = n.BackendETag
			}
			return must(object.SealPartNote(g.vrk.StateKey(), u, n))
		}
	}
	return []vector{
		note("note-upload-V", "the note of an upload", "upload-note", object.ModeVault, 0, upload),
		note("note-upload-C", "the note of an upload in mode C holds table and tail key", "upload-note", object.ModeCustomer, 0, upload),
		note("note-part", "the note of a part at the backend", "part-note", object.ModeVault, 5, partNote(false)),
		note("note-part-held", "the note of a held part", "part-note", object.ModeVault, 5, partNote(true)),
		note("note-part-held-C", "the note of a held part in mode C has the digest of its frame", "part-note", object.ModeCustomer, 5, func(g *generator, u object.Upload) []byte {
			n := &object.PartNote{Part: 5, Plain: 12345, FrameSalt: [24]byte(g.all.first(24)), Commitment: [32]byte(g.all.first(32)), ETag: "etag-1", Held: ".sallyport/held/x/5-y", HeldSHA256: g.all.first(32)}
			g.Note = map[string]string{"n": "5", "p": "12345", "e": n.ETag, "held": n.Held, "hh": base64.StdEncoding.EncodeToString(n.HeldSHA256)}
			return must(object.SealPartNote(g.vrk.StateKey(), u, n))
		}),
		note("note-done", "the note of a completed upload", "done-note", object.ModeVault, 0xffff, func(g *generator, u object.Upload) []byte {
			g.Note = map[string]string{"e": "abc-2"}
			return must(object.SealDoneNote(g.vrk.StateKey(), u, &object.DoneNote{ETag: "abc-2"}))
		}),
	}
}
