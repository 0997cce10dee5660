package object

import (
	"encoding/binary"
	"fmt"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

const (
	flagMD5      = 1 << 0
	flagChecksum = 1 << 1

	maxChecksum = 64
)

// Entry is what the table says about one frame: exactly which attempt to send which part belongs to the object.
type Entry struct {
	Part       int // 1 to MaxParts, ascending
	Plain      int64
	FrameSalt  [24]byte
	Commitment [32]byte
	HasMD5     bool
	MD5        [16]byte
	Checksum   []byte // raw, at most 64 bytes, nil for none; its algorithm is the tail's
}

// ChecksumSize gives the length in bytes of a checksum by the name of its algorithm, and 0 for a name it does not know.
func ChecksumSize(algorithm string) int {
	switch algorithm {
	case "CRC32", "CRC32C":
		return 4
	case "CRC64NVME", "XXHASH64", "XXHASH3":
		return 8
	case "MD5", "XXHASH128":
		return 16
	case "SHA1":
		return 20
	case "SHA256":
		return 32
	case "SHA512":
		return 64
	default:
		return 0
	}
}

// SealTable returns the sealed table of an object's frames, [TableSize] bytes. Its Cobblestone salt and commitment, the first 24 and the
// next 32 bytes, go into the tail. The entries must be two or more, ascending by part number, and of legal sizes. Checksums may stand in
// them only if the tail names the algorithm, which [Trailer] looks at.
func SealTable(id Identity, key keys.TableKey, entries []Entry) ([]byte, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	if len(entries) < 2 || len(entries) > MaxParts {
		return nil, fmt.Errorf("seal table: %d entries", len(entries))
	}
	if !validEntries(entries) {
		return nil, fmt.Errorf("seal table: part numbers or sizes are not legal")
	}
	content := make([]byte, 0, len(entries)*EntrySize)
	for _, e := range entries {
		if len(e.Checksum) > maxChecksum {
			return nil, fmt.Errorf("seal table: checksum of part %d is too long", e.Part)
		}
		content = e.append(content)
	}
	return chunked.Seal(key.Reveal(), tableContext(id.Salt), content)
}

func tableContext(salt Salt) []byte { return append(keys.Label("table"), salt[:]...) }

func (e *Entry) append(b []byte) []byte {
	var flags uint16
	if e.HasMD5 {
		flags |= flagMD5
	}
	if len(e.Checksum) > 0 {
		flags |= flagChecksum
	}
	b = binary.BigEndian.AppendUint16(b, uint16(e.Part))
	b = binary.BigEndian.AppendUint16(b, flags)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Plain))
	b = append(b, e.FrameSalt[:]...)
	b = append(b, e.Commitment[:]...)
	md5 := e.MD5
	if !e.HasMD5 {
		clear(md5[:])
	}
	b = append(b, md5[:]...)
	var sum [maxChecksum]byte
	copy(sum[:], e.Checksum)
	return append(b, sum[:]...)
}

// validEntries reports whether part numbers ascend from 1 and every part but the last has at least the minimum size.
func validEntries(entries []Entry) bool {
	last := 0
	for i, e := range entries {
		if e.Part <= last || e.Part > MaxParts || e.Plain < 0 || e.Plain > MaxPlainSize {
			return false
		}
		if i < len(entries)-1 && e.Plain < MinPartSize {
			return false
		}
		last = e.Part
	}
	return true
}

// OpenTable checks and reads the table of the object whose tail gave m. Everything that does not fit, the key included, gives
// [ErrDamaged], because the tail under the same secret did open.
func OpenTable(id Identity, key keys.TableKey, m *Metadata, sealed []byte) ([]Entry, error) {
	if m.Frames < 2 || int64(len(sealed)) != TableSize(m.Frames) {
		return nil, ErrDamaged
	}
	if [24]byte(sealed) != m.FrameSalt || [32]byte(sealed[chunked.SaltSize:]) != m.Commitment {
		return nil, ErrDamaged
	}
	content, err := chunked.Open(key.Reveal(), tableContext(id.Salt), sealed)
	if err != nil {
		return nil, ErrDamaged
	}
	return parseTable(content, m)
}

// parseTable reads opened entries and checks them against the tail.
func parseTable(content []byte, m *Metadata) ([]Entry, error) {
	if len(content) != m.Frames*EntrySize {
		return nil, ErrDamaged
	}
	size := 0
	if m.Checksum != nil {
		size = ChecksumSize(m.Checksum.Algorithm)
	}
	entries := make([]Entry, 0, m.Frames)
	var sum int64
	for ; len(content) > 0; content = content[EntrySize:] {
		e, ok := parseEntry(content[:EntrySize], size)
		if !ok || m.Checksum == nil && len(e.Checksum) > 0 {
			return nil, ErrDamaged
		}
		entries = append(entries, e)
		sum += e.Plain
	}
	if !validEntries(entries) || sum != m.Plain {
		return nil, ErrDamaged
	}
	return entries, nil
}

// parseEntry reads one entry; checksum is the length of its checksum, 0 when the algorithm is not known, which keeps all 64 bytes.
func parseEntry(b []byte, checksum int) (Entry, bool) {
	flags := binary.BigEndian.Uint16(b[2:4])
	plain := binary.BigEndian.Uint64(b[8:16])
	if flags&^(flagMD5|flagChecksum) != 0 || binary.BigEndian.Uint32(b[4:8]) != 0 || plain > uint64(MaxPlainSize) {
		return Entry{}, false
	}
	e := Entry{
		Part:       int(binary.BigEndian.Uint16(b)),
		Plain:      int64(plain),
		FrameSalt:  [24]byte(b[16:]),
		Commitment: [32]byte(b[40:]),
		HasMD5:     flags&flagMD5 != 0,
		MD5:        [16]byte(b[72:]),
	}
	if !e.HasMD5 && e.MD5 != [16]byte{} {
		return Entry{}, false
	}
	sum := b[88:EntrySize]
	if flags&flagChecksum != 0 {
		if checksum == 0 {
			checksum = maxChecksum
		}
		e.Checksum = append([]byte(nil), sum[:checksum]...)
		sum = sum[checksum:]
	}
	return e, allZero(sum)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
