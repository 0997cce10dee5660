package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // an ETag of S3 is MD5, whatever MD5 is worth.
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

// parts is an object in the making: its frames and what the table says about them.
type parts struct {
	id      object.Identity
	all     plaintext
	secret  keys.ObjectSecret
	frames  [][]byte
	entries []object.Entry
	plain   int64
}

func (g *generator) start(mode object.Mode) *parts {
	id := g.identity(mode)
	return &parts{id: id, secret: g.secret(id), all: g.all}
}

// frame seals plain as one part.
func (p *parts) frame(number int, plain []byte) ([]byte, object.Entry) {
	f := must(object.NewFrameReader(p.id, p.secret, number, int64(len(plain)), bytes.NewReader(plain)))
	sealed := must(io.ReadAll(f))
	sum := sha256.Sum256(plain)
	return sealed, object.Entry{
		Part: number, Plain: int64(len(plain)), FrameSalt: f.Salt(), Commitment: f.Commitment(),
		HasMD5: true, MD5: md5.Sum(plain), Checksum: sum[:],
	}
}

// add appends a part of n bytes; all parts together are one plaintext by the rule.
func (p *parts) add(number int, n int64) *parts {
	sealed, entry := p.frame(number, p.all.first(p.plain + n)[p.plain:])
	p.frames, p.entries, p.plain = append(p.frames, sealed), append(p.entries, entry), p.plain+n
	return p
}

// metadata is what most vectors carry.
func (p *parts) metadata() *object.Metadata {
	all := p.all.first(p.plain)
	m := &object.Metadata{
		Bucket: "bucket", Key: "folder/key", Headers: map[string]string{"content-type": "text/plain"},
		UserMetadata: map[string]string{"colour": "blue"}, Time: time.UnixMilli(1790000000123).UTC(), Writer: 0,
	}
	sum := sha256.Sum256(all)
	if len(p.entries) > 1 || p.entries[0].Part > 0 {
		var sums, hashes []byte
		for _, e := range p.entries {
			sums, hashes = append(sums, e.MD5[:]...), append(hashes, e.Checksum...)
		}
		whole, composite := md5.Sum(sums), sha256.Sum256(hashes)
		m.ETag = fmt.Sprintf("%x-%d", whole, len(p.entries))
		m.Checksum = &object.Checksum{Algorithm: "SHA256", Type: "COMPOSITE"}
		m.Checksum.Value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(composite[:]), len(p.entries))
		if len(p.entries) == 1 {
			m.Checksum.PartValue = base64.StdEncoding.EncodeToString(sum[:])
		}
		return m
	}
	m.ETag = fmt.Sprintf("%x", md5.Sum(all))
	m.Checksum = &object.Checksum{Algorithm: "SHA256", Type: "FULL_OBJECT", Value: base64.StdEncoding.EncodeToString(sum[:])}
	return m
}

// finish puts the file together and records what must come out of it.
func (p *parts) finish(g *generator, m *object.Metadata) []byte {
	file := bytes.Join(p.frames, nil)
	trailer, _, err := object.Trailer(p.id, p.secret.TableKey(), p.secret.TailKey(), p.entries, m)
	file = append(file, must(io.ReadAll(must(trailer, err)))...)
	p.expect(g, m)
	return file
}

// expect records the content of a file.
func (p *parts) expect(g *generator, m *object.Metadata) {
	sum := sha256.Sum256(p.all.first(p.plain))
	g.Plain, g.PlainSHA256 = p.plain, hex.EncodeToString(sum[:])
	g.Metadata = describe(m)
	if len(p.entries) == 1 {
		number := p.entries[0].Part
		g.Metadata.OnePartNo = &number
		return
	}
	for _, e := range p.entries {
		d := part{Part: e.Part, Plain: e.Plain, Checksum: hex.EncodeToString(e.Checksum)}
		if e.HasMD5 {
			d.MD5 = hex.EncodeToString(e.MD5[:])
		}
		g.Parts = append(g.Parts, d)
	}
}

func describe(m *object.Metadata) *metadata {
	d := &metadata{
		Bucket: m.Bucket, Key: m.Key, ETag: m.ETag, Millis: m.Time.UnixMilli(), Writer: m.Writer,
		Headers: hexValues(m.Headers), User: hexValues(m.UserMetadata),
	}
	if c := m.Checksum; c != nil {
		d.Checksum = map[string]string{"algorithm": c.Algorithm, "type": c.Type, "value": c.Value}
		if c.PartValue != "" {
			d.Checksum["part_value"] = c.PartValue
		}
	}
	return d
}

func hexValues(values map[string]string) map[string]string {
	out := make(map[string]string)
	for name, value := range values {
		out[name] = hex.EncodeToString([]byte(value))
	}
	return out
}

// tailHead is the clear beginning of the object's tail.
func (p *parts) tailHead() []byte {
	head := append([]byte("\x89SPT\r\n\x1a\n"), 1, 1, byte(p.id.Mode), 0)
	head = append(head, byte(p.id.Epoch>>24), byte(p.id.Epoch>>16), byte(p.id.Epoch>>8), byte(p.id.Epoch))
	head = append(head, p.id.VaultID[:]...)
	return append(head, p.id.Salt[:]...)
}

// rawTail seals any text as the metadata of a tail, which the product would refuse to write.
func (p *parts) rawTail(text string) []byte { return p.rawTailUnder(p.tailHead(), text) }

// rawTailUnder does so under any clear bytes.
func (p *parts) rawTailUnder(head []byte, text string) []byte {
	content := make([]byte, 3768)
	copy(content, text)
	key := p.secret.TailKey()
	return append(head, must(chunked.Seal(key.Reveal(), append(keys.Label("tail"), head...), content))...)
}

// withTail makes the file of a single PUT whose tail has the given text in place of its own.
func (p *parts) withTail(text string) []byte {
	file := bytes.Join(p.frames, nil)
	file = append(file, make([]byte, object.CanonicalSize(p.plain)-int64(len(file))-object.TailSize)...)
	return append(file, p.rawTail(text)...)
}

// tailText is the text of a valid tail of a single PUT, with more fields in front.
func (p *parts) tailText(more string) string {
	e := p.entries[0]
	return fmt.Sprintf(`{%s"p":%d,"n":1,"pn":0,"fs":"%s","fc":"%s","b":"bucket","k":"folder/key","t":1790000000123,"w":0}`, more, p.plain,
		base64.StdEncoding.EncodeToString(e.FrameSalt[:]), base64.StdEncoding.EncodeToString(e.Commitment[:]))
}

func randomVRK() keys.VRK {
	var raw [keys.Size]byte
	rand.Read(raw[:])
	return must(keys.ParseVRK(raw[:]))
}
