package object

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"sallyport/crypto/keys"
)

const (
	frameMagic = "\x89SPF\r\n\x1a\n"
	tailMagic  = "\x89SPT\r\n\x1a\n"
	version    = 1
	suite      = 1

	tailClearSize = 64 // clear bytes at the head of a tail
)

// Mode says whose key an object is sealed with.
type Mode byte

// The modes of format version 1.
const (
	ModeVault    Mode = 'V' // the vault's own
	ModeCustomer Mode = 'C' // the client's, brought along with each request
)

// String returns the letter that stands in the file.
func (m Mode) String() string { return string(rune(m)) }

// VaultID names a vault; it is not secret.
type VaultID [16]byte

// String returns lower-case hex.
func (v VaultID) String() string { return hex.EncodeToString(v[:]) }

// Salt is the random value that all frames, the table and the tail of one object share; it is not secret. A salt that is already in
// use never seals a new frame or table of another object.
type Salt [32]byte

// String returns lower-case hex.
func (s Salt) String() string { return hex.EncodeToString(s[:]) }

// NewSalt draws a random salt.
func NewSalt() (s Salt) {
	rand.Read(s[:])
	return s
}

// Identity is what the frames, the table and the tail of one object have in common, all of it in clear in the file.
type Identity struct {
	Mode    Mode
	Epoch   uint32 // of the vault's root key; 0 in ModeCustomer
	VaultID VaultID
	Salt    Salt
}

// TailHeader is what a tail says in clear, which is the object's identity.
type TailHeader = Identity

func (id Identity) check() error {
	switch {
	case id.Mode == ModeVault:
		return nil
	case id.Mode == ModeCustomer && id.Epoch == 0:
		return nil
	default:
		return fmt.Errorf("object identity: %w", ErrUnsupported)
	}
}

// Keyring finds the secret of an object whose clear bytes say id. It returns an error when it has no key for it, for example of that
// epoch; the error comes back to whoever asked for the object as it is. A keyring of a vault refuses the objects of other vaults in both
// modes: in ModeCustomer the vault id is no part of the keys, and nothing here would notice.
type Keyring interface {
	Secret(id Identity) (keys.ObjectSecret, error)
}

// KeyringFunc is a function as a [Keyring].
type KeyringFunc func(id Identity) (keys.ObjectSecret, error)

// Secret calls f.
func (f KeyringFunc) Secret(id Identity) (keys.ObjectSecret, error) { return f(id) }

// appendCommon writes the eight bytes which frames and tails have behind their magic.
func (id Identity) appendCommon(b []byte) []byte {
	b = append(b, version, suite, byte(id.Mode), 0)
	return binary.BigEndian.AppendUint32(b, id.Epoch)
}

// parseCommon reads them.
func parseCommon(b []byte) (Identity, error) {
	id := Identity{Mode: Mode(b[2]), Epoch: binary.BigEndian.Uint32(b[4:8])}
	if b[0] != version || b[1] != suite || b[3] != 0 {
		return Identity{}, ErrUnsupported
	}
	if id.check() != nil {
		return Identity{}, ErrUnsupported
	}
	return id, nil
}

func (id Identity) tailClear() [tailClearSize]byte {
	b := append(make([]byte, 0, tailClearSize), tailMagic...)
	b = id.appendCommon(b)
	b = append(b, id.VaultID[:]...)
	b = append(b, id.Salt[:]...)
	return [tailClearSize]byte(b)
}

// ParseTailHeader reads the clear bytes of a tail, the last [TailSize] bytes of a file, so that the key can be found. They are not
// authenticated before [OpenTail] has opened the tail. A slice of another length, and one without the magic, gives [ErrForeign]; an
// unknown version, suite, mode or flag gives [ErrUnsupported].
func ParseTailHeader(tail []byte) (TailHeader, error) {
	if len(tail) != TailSize || string(tail[:8]) != tailMagic {
		return TailHeader{}, ErrForeign
	}
	id, err := parseCommon(tail[8:16])
	if err != nil {
		return TailHeader{}, err
	}
	copy(id.VaultID[:], tail[16:32])
	copy(id.Salt[:], tail[32:64])
	return id, nil
}

// FramePrefix is what a frame says in clear. The vault id is not part of it.
type FramePrefix struct {
	Mode  Mode
	Epoch uint32
	Salt  Salt
	Part  int   // as the client gave it, 0 for a single PUT
	Plain int64 // plaintext bytes in this frame
}

func framePrefix(id Identity, part int, plain int64) FramePrefix {
	return FramePrefix{Mode: id.Mode, Epoch: id.Epoch, Salt: id.Salt, Part: part, Plain: plain}
}

// identity completes the prefix with the vault id, which a frame does not carry.
func (f FramePrefix) identity(vault VaultID) Identity {
	return Identity{Mode: f.Mode, Epoch: f.Epoch, VaultID: vault, Salt: f.Salt}
}

func (f FramePrefix) encode() [FramePrefixSize]byte {
	if f.Part < 0 || f.Part > MaxParts || f.Plain < 0 || f.Plain > MaxPlainSize {
		panic("object: internal error: frame out of range")
	}
	b := append(make([]byte, 0, FramePrefixSize), frameMagic...)
	b = f.identity(VaultID{}).appendCommon(b)
	b = binary.BigEndian.AppendUint16(b, uint16(f.Part))
	b = append(b, byte(f.Plain>>40), byte(f.Plain>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Plain))
	b = append(b, f.Salt[:]...)
	return [FramePrefixSize]byte(b)
}

// ParseFramePrefix reads the first [FramePrefixSize] bytes of a frame. They are not authenticated before the frame's commitment was
// checked. Errors are those of [ParseTailHeader].
func ParseFramePrefix(b []byte) (FramePrefix, error) {
	if len(b) < FramePrefixSize || string(b[:8]) != frameMagic {
		return FramePrefix{}, ErrForeign
	}
	id, err := parseCommon(b[8:16])
	if err != nil {
		return FramePrefix{}, err
	}
	f := FramePrefix{Mode: id.Mode, Epoch: id.Epoch, Part: int(binary.BigEndian.Uint16(b[16:18]))}
	f.Plain = int64(b[18])<<40 | int64(b[19])<<32 | int64(binary.BigEndian.Uint32(b[20:24]))
	copy(f.Salt[:], b[24:56])
	if f.Part > MaxParts {
		return FramePrefix{}, ErrUnsupported
	}
	return f, nil
}
