package vault

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"sallyport/crypto/keys"
)

const (
	pinFormat  = 1
	maxPinSize = 4 << 10
)

// Pin is what a gateway remembers of the vault file it used last, so that the storage cannot give it an older one, one that somebody
// whose slot was removed wrote, or another vault's. It holds no key that opens anything. It is immutable.
type Pin struct {
	vault      ID
	generation uint64
	digest     [sha256.Size]byte
	epoch      uint32
	settings   Settings
	key        keys.PinKey
}

// Pin returns what to remember of the opened file. The caller stores it after the file was read back, never before.
func (o *Opened) Pin() (Pin, error) {
	newest, err := o.VRK(o.Epoch())
	if err != nil {
		return Pin{}, fmt.Errorf("make pin: %w", err)
	}
	defer newest.Clear()
	return Pin{
		vault: o.file.id, generation: o.file.generation, digest: sha256.Sum256(o.file.line), epoch: o.file.epoch,
		settings: o.file.settings, key: newest.PinKey(),
	}, nil
}

// Vault returns the pinned vault's id.
func (p Pin) Vault() ID { return p.vault }

// Generation returns the pinned file's number.
func (p Pin) Generation() uint64 { return p.generation }

// VerifyFile refuses, before anybody is asked for a password, a file that cannot be the pinned one or a later one: [ErrOtherVault] or
// [ErrRollback]. A file that passes must still pass [Pin.Verify] once opened.
func (p Pin) VerifyFile(f *File) error {
	if f.id != p.vault {
		return fmt.Errorf("compare vault file with pin: %w: found %s, expected %s", ErrOtherVault, f.id, p.vault)
	}
	if f.generation < p.generation {
		return fmt.Errorf("compare vault file with pin: %w: found generation %d, expected %d or later", ErrRollback, f.generation, p.generation)
	}
	digest := sha256.Sum256(f.line)
	if f.generation == p.generation && subtle.ConstantTimeCompare(digest[:], p.digest[:]) != 1 {
		return fmt.Errorf("compare vault file with pin: %w: generation %d has other content", ErrRollback, f.generation)
	}
	return nil
}

// Verify refuses an opened file that does not continue the pinned one. Besides the errors of [Pin.VerifyFile] there is [ErrForged]:
// the keyring does not hold the key of the pinned epoch, or the settings changed, so that whoever wrote the file did not have the
// vault's newest keys.
func (p Pin) Verify(o *Opened) error {
	if err := p.VerifyFile(o.file); err != nil {
		return err
	}
	if o.file.epoch < p.epoch {
		return fmt.Errorf("compare vault file with pin: %w: found key epoch %d, expected %d or later", ErrRollback, o.file.epoch, p.epoch)
	}
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.auth == nil {
		return fmt.Errorf("compare vault file with pin: %w", ErrClosed)
	}
	known, ok := o.ring.find(p.epoch)
	if !ok || !known.PinKey().Equal(p.key) {
		return fmt.Errorf("compare vault file with pin: %w: its keyring lacks the key of epoch %d", ErrForged, p.epoch)
	}
	if o.file.settings != p.settings {
		return fmt.Errorf("compare vault file with pin: %w: its settings are not those the vault was made with", ErrForged)
	}
	return nil
}

type pinShape struct {
	Format     int        `json:"fmt"`
	Vault      string     `json:"vault"`
	Generation uint64     `json:"gen"`
	Digest     []byte     `json:"sha256"`
	Epoch      uint32     `json:"epoch"`
	Names      Names      `json:"names"`
	ETag       ETagPolicy `json:"etag"`
	KeyMax     int        `json:"key_max"`
	Key        []byte     `json:"pin"`
}

// Encode returns the pin as one line of JSON. It panics for the zero pin.
func (p Pin) Encode() []byte {
	return append(encodeJSON(pinShape{
		Format: pinFormat, Vault: p.vault.String(), Generation: p.generation, Digest: p.digest[:], Epoch: p.epoch,
		Names: p.settings.Names, ETag: p.settings.ETag, KeyMax: p.settings.KeyMax, Key: p.key.Reveal()[:],
	}), '\n')
}

// ParsePin reads what [Pin.Encode] wrote. Anything else is [ErrPinDamaged], or [ErrTooNew].
func ParsePin(data []byte) (Pin, error) {
	if len(data) > maxPinSize {
		return Pin{}, fmt.Errorf("read pin: %w: larger than %d bytes", ErrPinDamaged, maxPinSize)
	}
	o := readObject("pin", data)
	format := o.unsigned("fmt", 1, 1<<32-1)
	if o.err == nil && format != pinFormat {
		return Pin{}, fmt.Errorf("read pin: %w: format %d", ErrTooNew, format)
	}
	var p Pin
	o.identifier("vault", p.vault[:])
	p.generation = o.unsigned("gen", 1, MaxGeneration)
	copy(p.digest[:], o.binary("sha256", sha256.Size, sha256.Size))
	p.epoch = uint32(o.unsigned("epoch", 1, 1<<32-1))
	p.settings.Names = Names(o.text("names", 32))
	p.settings.ETag = ETagPolicy(o.text("etag", 32))
	p.settings.KeyMax = int(o.unsigned("key_max", minKeyMax, maxKeyMax))
	raw := o.binary("pin", keys.Size, keys.Size)
	if o.err != nil {
		return Pin{}, fmt.Errorf("read pin: %w: %w", ErrPinDamaged, o.err)
	}
	if unknown := o.unknown(); len(unknown) > 0 {
		return Pin{}, fmt.Errorf("read pin: %w: field %s", ErrTooNew, unknown[0])
	}
	if err := p.settings.validate(); err != nil {
		return Pin{}, fmt.Errorf("read pin: %w: %w", ErrPinDamaged, err)
	}
	key, err := keys.ParsePinKey(raw)
	if err != nil {
		return Pin{}, fmt.Errorf("read pin: %w: %w", ErrPinDamaged, err)
	}
	p.key = key
	return p, nil
}
