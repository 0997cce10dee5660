package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

const plaintextRule = "SHA-256(0 as 8 bytes big-endian) || SHA-256(1) || SHA-256(2) || ..., cut to the length"

// manifest is the file that describes all vectors.
type manifest struct {
	Format    int     `json:"format"`
	Plaintext string  `json:"plaintext"` // the rule by which every object's plaintext is made
	Vectors   []entry `json:"vectors"`
}

// entry describes one vector.
type entry struct {
	Name   string `json:"name"`
	Fact   string `json:"fact"`
	Kind   string `json:"kind"` // object, upload-note, part-note, done-note
	File   string `json:"file"`
	Kept   bool   `json:"kept"` // in the repository; otherwise written by vectorgen -large
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`

	Mode        string `json:"mode"`
	Vault       string `json:"vault"` // hex
	Epoch       uint32 `json:"epoch"` // that VRK belongs to
	VRK         string `json:"vrk,omitempty"`
	CustomerKey string `json:"customer_key,omitempty"`

	// Result is ok, foreign, unsupported, wrong key or damaged.
	Result string `json:"result"`
	// Released is how many plaintext bytes a streaming reader may have released before it refuses.
	Released int64 `json:"released,omitempty"`

	Plain       int64             `json:"plain"`
	PlainSHA256 string            `json:"plain_sha256,omitempty"`
	Metadata    *metadata         `json:"metadata,omitempty"`
	Parts       []part            `json:"parts,omitempty"`
	Note        map[string]string `json:"note,omitempty"`
	Upload      string            `json:"upload,omitempty"` // upload id
	Part        int               `json:"part,omitempty"`
}

type metadata struct {
	Bucket    string            `json:"bucket"`
	Key       string            `json:"key"`
	ETag      string            `json:"etag,omitempty"`
	Checksum  map[string]string `json:"checksum,omitempty"`
	Headers   map[string]string `json:"headers_hex,omitempty"`
	User      map[string]string `json:"user_metadata_hex,omitempty"`
	Millis    int64             `json:"millis"`
	Writer    int               `json:"writer"`
	OnePartNo *int              `json:"part_number,omitempty"`
}

type part struct {
	Part     int    `json:"part"`
	Plain    int64  `json:"plain"`
	MD5      string `json:"md5,omitempty"`
	Checksum string `json:"checksum,omitempty"`
}

// vector is one vector before it is made.
type vector struct {
	name, fact string
	large      bool
	make       func(g *generator) []byte
}

// generator holds what every vector is made with, and collects what the manifest says about it.
type generator struct {
	entry
	vrk      keys.VRK
	customer keys.CustomerKey
	all      plaintext
}

// generate makes the vector from its own stream of randomness.
func (v vector) generate(all plaintext) (entry, []byte) {
	seed := sha256.Sum256([]byte("sallyport vector " + v.name))
	saved := rand.Reader
	rand.Reader = mathrand.NewChaCha8(seed)
	defer func() { rand.Reader = saved }()

	g := &generator{all: all}
	g.Name, g.Fact, g.Kind, g.Result = v.name, v.fact, "object", "ok"
	g.vrk = keys.NewVRK()
	g.Epoch = 3
	g.VRK = hex.EncodeToString(g.vrk.Reveal()[:])
	file := v.make(g)
	sum := sha256.Sum256(file)
	g.File, g.Size, g.SHA256, g.Kept = v.name+".bin", len(file), hex.EncodeToString(sum[:]), !v.large
	return g.entry, file
}

// identity draws a vault and an object salt. In mode C the customer's key replaces the vault's.
func (g *generator) identity(mode object.Mode) object.Identity {
	id := object.Identity{Mode: mode, Epoch: g.Epoch, Salt: object.NewSalt()}
	rand.Read(id.VaultID[:])
	g.Mode, g.Vault = mode.String(), id.VaultID.String()
	if mode == object.ModeCustomer {
		id.Epoch, g.Epoch, g.VRK = 0, 0, ""
		var raw [keys.Size]byte
		rand.Read(raw[:])
		g.customer = must(keys.ParseCustomerKey(raw[:]))
		g.CustomerKey = hex.EncodeToString(raw[:])
	}
	return id
}

func (g *generator) secret(id object.Identity) keys.ObjectSecret {
	if id.Mode == object.ModeCustomer {
		return keys.CustomerObjectSecret(g.customer, id.Salt)
	}
	return keys.VaultObjectSecret(g.vrk, id.VaultID, id.Epoch, id.Salt)
}

// refused records how a reader must answer, and how much it may have released by then.
func (g *generator) refused(result string, released int64) {
	g.Result, g.Released = result, released
}

// plaintext is what all objects hold the beginning of.
type plaintext []byte

// longestPlain is above the plaintext of every vector.
const longestPlain = 11 << 20

// newPlaintext makes it by the rule of the manifest.
func newPlaintext() plaintext {
	out := make([]byte, 0, longestPlain+sha256.Size)
	var count [8]byte
	for i := uint64(0); len(out) < longestPlain; i++ {
		binary.BigEndian.PutUint64(count[:], i)
		sum := sha256.Sum256(count[:])
		out = append(out, sum[:]...)
	}
	return out
}

// first returns the first n bytes.
func (p plaintext) first(n int64) []byte { return p[:n:n] }

func must[T any](v T, err error) T {
	if err != nil {
		panic("vectorgen: internal error: " + err.Error())
	}
	return v
}
