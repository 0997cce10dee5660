package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/crypto/format"
)

// SlotType says what opens a key slot.
type SlotType string

// The slot types of this version. Credential slots belong to sealed access keys; this version keeps them but does not make them.
const (
	SlotPassword   SlotType = "password"
	SlotRecovery   SlotType = "recovery"
	SlotCredential SlotType = "credential"
)

// Sizes in bytes of what a slot holds.
const (
	seedSize      = 32
	authKeySize   = 32
	publicKeySize = 1216
	sealedKeySize = 24 + 32 + seedSize + authKeySize + 16
	wrappedSize   = 1120 + 32 + 16
	minKeyring    = 24 + 32 + 16
	macSize       = 32
	lastMillis    = 253402300799999 // end of the year 9999
)

// SlotInfo describes a key slot. It holds nothing secret.
type SlotInfo struct {
	ID      SlotID
	Type    SlotType
	Label   string
	Created time.Time
}

type slot struct {
	id      SlotID
	kind    SlotType
	label   string
	created uint64
	cost    Cost   // password only
	salt    []byte // password and recovery
	public  []byte
	sealed  []byte // private key and authentication key; password and recovery
	wrapped []byte // keyring key, sealed to public
}

// opener reports whether a person can open the slot with what they know.
func (s *slot) opener() bool { return s.kind == SlotPassword || s.kind == SlotRecovery }

func (s *slot) info() SlotInfo {
	return SlotInfo{ID: s.id, Type: s.kind, Label: s.label, Created: time.UnixMilli(int64(s.created)).UTC()}
}

// File is one generation of a vault file that was parsed. Until a slot opened it nothing in it is authenticated: its methods tell
// what the file claims. It is immutable and safe for concurrent use.
type File struct {
	raw        []byte
	line       []byte
	fileMAC    []byte
	chainMAC   []byte
	id         ID
	generation uint64
	created    uint64
	settings   Settings
	epoch      uint32
	keyring    []byte
	slots      []slot
	foreign    []string // what this version does not know, by path
}

// Bytes returns the file as stored. The caller must not change it.
func (f *File) Bytes() []byte { return f.raw }

// Name returns the name the file has in [Directory].
func (f *File) Name() string { return FileName(f.generation) }

// ID returns the vault the file claims to belong to.
func (f *File) ID() ID { return f.id }

// Generation returns the file's number; a higher one replaces a lower one.
func (f *File) Generation() uint64 { return f.generation }

// Settings returns the vault's settings as the file claims them.
func (f *File) Settings() Settings { return f.settings }

// Created returns when the vault was made, as the file claims it.
func (f *File) Created() time.Time { return time.UnixMilli(int64(f.created)).UTC() }

// Slots returns the key slots as the file claims them, in its order, without those of unknown types.
func (f *File) Slots() []SlotInfo {
	infos := make([]SlotInfo, len(f.slots))
	for i := range f.slots {
		infos[i] = f.slots[i].info()
	}
	return infos
}

// Parse reads a vault file. It copies data. Bytes that are no vault file give [ErrDamaged], those of a later format [ErrTooNew].
// A caller that took the file from a name in [Directory] also compares [File.Generation] with [ParseFileName], so that an old
// generation cannot pose as a newer one.
func Parse(data []byte) (*File, error) {
	file, err := parse(data)
	switch {
	case errors.Is(err, ErrTooNew):
		return nil, fmt.Errorf("read vault file: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read vault file: %w: %w", ErrDamaged, err)
	}
	return file, nil
}

func parse(data []byte) (*File, error) {
	if len(data) > MaxFileSize {
		return nil, fmt.Errorf("larger than %d bytes", MaxFileSize)
	}
	data = bytes.Clone(data)
	lines := bytes.Split(data, []byte("\n"))
	if len(lines) != 4 || len(lines[3]) != 0 {
		return nil, errors.New("not three lines that each end in a line feed")
	}
	if bytes.IndexByte(data, '\r') >= 0 {
		return nil, errors.New("carriage returns: a program changed the line ends")
	}
	file := &File{raw: data, line: lines[0]}
	var err error
	if file.fileMAC, err = parseMAC(lines[1]); err != nil {
		return nil, fmt.Errorf("line 2: %w", err)
	}
	if file.chainMAC, err = parseMAC(lines[2]); err != nil {
		return nil, fmt.Errorf("line 3: %w", err)
	}
	return file, file.parseLine()
}

func parseMAC(line []byte) ([]byte, error) {
	if len(line) != base64.StdEncoding.EncodedLen(macSize) {
		return nil, errors.New("not 44 characters")
	}
	mac, ok := format.DecodeBase64(string(line))
	if !ok || len(mac) != macSize {
		return nil, errors.New("not base64 of 32 bytes")
	}
	return mac, nil
}

func (f *File) parseLine() error {
	o := readObject("vault file", f.line)
	version := o.unsigned("fmt", 1, 1<<32-1)
	if o.err == nil && version != fileFormat {
		return fmt.Errorf("%w: format %d", ErrTooNew, version)
	}
	suite := o.unsigned("suite", 1, 1<<32-1)
	if o.err == nil && suite != fileSuite {
		return fmt.Errorf("%w: cipher suite %d", ErrTooNew, suite)
	}
	o.identifier("vault", f.id[:])
	f.generation = o.unsigned("gen", 1, MaxGeneration)
	f.created = o.unsigned("created", 0, lastMillis)
	f.settings.Names = Names(o.text("names", 32))
	f.settings.ETag = ETagPolicy(o.text("etag", 32))
	f.settings.KeyMax = int(o.unsigned("key_max", minKeyMax, maxKeyMax))
	f.epoch = uint32(o.unsigned("epoch", 1, 1<<32-1))
	f.keyring = o.binary("keyring", minKeyring, MaxFileSize)
	rows := o.list("slots", maxSlots)
	if o.err != nil {
		return o.err
	}
	if err := f.settings.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrTooNew, err)
	}
	f.foreign = append(f.foreign, o.unknown()...)
	seen := map[SlotID]bool{}
	openers := 0
	for i, row := range rows {
		parsed, err := f.parseSlot(fmt.Sprintf("slots[%d]", i), row)
		if err != nil {
			return err
		}
		if parsed == nil {
			continue
		}
		if seen[parsed.id] {
			return fmt.Errorf("slots[%d]: another slot has the same id", i)
		}
		seen[parsed.id] = true
		if parsed.opener() {
			openers++
		}
		f.slots = append(f.slots, *parsed)
	}
	if openers == 0 {
		return errors.New("no slot for a password or a 64-digit key")
	}
	if openers > maxOpenerSlots {
		return fmt.Errorf("more than %d slots for passwords and 64-digit keys", maxOpenerSlots)
	}
	return nil
}

// parseSlot returns nil for a slot of a type, or of a password function, that this version does not know: the other slots still open
// the vault.
func (f *File) parseSlot(path string, raw []byte) (*slot, error) {
	o := readObject(path, raw)
	parsed := &slot{kind: SlotType(o.text("type", MaxFileSize))}
	if o.err != nil {
		return nil, o.err
	}
	switch parsed.kind {
	case SlotPassword:
		known, err := f.parseKDF(o.inner("kdf"), parsed)
		if err != nil {
			return nil, err
		}
		if !known {
			f.foreign = append(f.foreign, path+".kdf.alg")
			return nil, nil
		}
	case SlotRecovery:
		parsed.salt = o.binary("salt", saltSize, saltSize)
	case SlotCredential:
	default:
		f.foreign = append(f.foreign, path+".type")
		return nil, nil
	}
	o.identifier("id", parsed.id[:])
	parsed.label = o.text("label", maxLabel)
	parsed.created = o.unsigned("created", 0, lastMillis)
	parsed.public = o.binary("pk", publicKeySize, publicKeySize)
	parsed.wrapped = o.binary("krk", wrappedSize, wrappedSize)
	if parsed.opener() {
		parsed.sealed = o.binary("sk", sealedKeySize, sealedKeySize)
	}
	if o.err != nil {
		return nil, o.err
	}
	if err := checkLabel(parsed.label); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.foreign = append(f.foreign, o.unknown()...)
	return parsed, nil
}

func (f *File) parseKDF(o *object, into *slot) (known bool, err error) {
	algorithm := o.text("alg", MaxFileSize)
	if o.err != nil || algorithm != argonAlgorithm {
		return false, o.err // what else stands there is the other function's
	}
	version := o.unsigned("v", 0, 1<<32-1)
	if o.err != nil || version != argonVersion {
		return false, o.err
	}
	into.cost.Time = uint32(o.unsigned("t", 1, maxArgonTime))
	into.cost.MemoryKiB = uint32(o.unsigned("m_kib", minArgonMemory, maxArgonMemory))
	into.cost.Lanes = uint8(o.unsigned("p", 1, maxArgonLanes))
	into.salt = o.binary("salt", saltSize, saltSize)
	if o.err != nil {
		return false, o.err
	}
	f.foreign = append(f.foreign, o.unknown()...)
	return true, nil
}

// checkLabel keeps bytes that would steer a terminal out of what is printed.
func checkLabel(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("label longer than %d bytes", maxLabel)
	}
	if !utf8.ValidString(label) {
		return errors.New("label is not UTF-8")
	}
	if strings.ContainsFunc(label, unicode.IsControl) {
		return errors.New("label holds a control character")
	}
	return nil
}

// The shapes below are what the file looks like; encoding/json writes fields in this order and byte slices as base64.
type fileShape struct {
	Format     int         `json:"fmt"`
	Vault      string      `json:"vault"`
	Generation uint64      `json:"gen"`
	Created    uint64      `json:"created"`
	Suite      int         `json:"suite"`
	Names      Names       `json:"names"`
	ETag       ETagPolicy  `json:"etag"`
	KeyMax     int         `json:"key_max"`
	Epoch      uint32      `json:"epoch"`
	Keyring    []byte      `json:"keyring"`
	Slots      []slotShape `json:"slots"`
}

type slotShape struct {
	ID      string    `json:"id"`
	Type    SlotType  `json:"type"`
	Label   string    `json:"label"`
	Created uint64    `json:"created"`
	KDF     *kdfShape `json:"kdf,omitempty"`
	Salt    []byte    `json:"salt,omitempty"`
	Public  []byte    `json:"pk"`
	Sealed  []byte    `json:"sk,omitempty"`
	Wrapped []byte    `json:"krk"`
}

type kdfShape struct {
	Algorithm string `json:"alg"`
	Version   int    `json:"v"`
	Time      uint32 `json:"t"`
	MemoryKiB uint32 `json:"m_kib"`
	Lanes     uint8  `json:"p"`
	Salt      []byte `json:"salt"`
}

func (s *slot) shape() slotShape {
	shape := slotShape{ID: s.id.String(), Type: s.kind, Label: s.label, Created: s.created, Public: s.public, Sealed: s.sealed, Wrapped: s.wrapped}
	if s.kind == SlotPassword {
		shape.KDF = &kdfShape{Algorithm: argonAlgorithm, Version: argonVersion, Time: s.cost.Time, MemoryKiB: s.cost.MemoryKiB, Lanes: s.cost.Lanes, Salt: s.salt}
	} else {
		shape.Salt = s.salt
	}
	return shape
}
