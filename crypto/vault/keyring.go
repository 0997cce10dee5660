package vault

import (
	"errors"
	"fmt"
	"slices"

	"sallyport/crypto/keys"
)

const (
	commitmentSize = 32
	credentialSize = 16
	minEpochEntry  = 60 // bytes of JSON; bounds the number of entries by the size of the file
)

// keyring is what the vault file seals: the keys of all epochs, the name key, and which sealed credentials are valid.
type keyring struct {
	epochs      []epochKey // ascending; the last is the one new objects use
	names       keys.VNK
	credentials []credential
	foreign     []string
}

type epochKey struct {
	epoch uint32
	key   keys.VRK
}

// credential is carried along unchanged: this version makes none.
type credential struct {
	number     uint64
	id         [credentialSize]byte
	commitment []byte
}

// parseKeyring reads the opened keyring. It copies the keys, so the caller can wipe plain.
func parseKeyring(plain []byte) (*keyring, error) {
	o := readObject("keyring", plain)
	rows := o.list("vrk", MaxFileSize/minEpochEntry)
	names := o.binary("vnk", keys.VNKSize, keys.VNKSize)
	defer clear(names)
	creds := o.list("creds", MaxFileSize/minEpochEntry)
	o.refuseUnknown()
	if o.err != nil {
		return nil, o.err
	}
	ring := &keyring{foreign: o.unknown()}
	var err error
	if ring.names, err = keys.ParseVNK(names); err != nil {
		return nil, fmt.Errorf("keyring: name key: %w", err)
	}
	for i, row := range rows {
		if err := ring.addEpoch(fmt.Sprintf("keyring.vrk[%d]", i), row); err != nil {
			return nil, err
		}
	}
	if len(ring.epochs) == 0 {
		return nil, errors.New("keyring: no key")
	}
	for i, row := range creds {
		if err := ring.addCredential(fmt.Sprintf("keyring.creds[%d]", i), row); err != nil {
			return nil, err
		}
	}
	return ring, nil
}

func (r *keyring) addEpoch(path string, raw []byte) error {
	o := readObject(path, raw)
	epoch := uint32(o.unsigned("e", 1, 1<<32-1))
	key := o.binary("k", keys.Size, keys.Size)
	defer clear(key)
	o.refuseUnknown()
	if o.err != nil {
		return o.err
	}
	if n := len(r.epochs); n > 0 && r.epochs[n-1].epoch >= epoch {
		return fmt.Errorf("%s: epochs do not ascend", path)
	}
	parsed, err := keys.ParseVRK(key)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.epochs = append(r.epochs, epochKey{epoch: epoch, key: parsed})
	r.foreign = append(r.foreign, o.unknown()...)
	return nil
}

func (r *keyring) addCredential(path string, raw []byte) error {
	o := readObject(path, raw)
	parsed := credential{number: o.unsigned("n", 1, 1<<53)}
	o.identifier("id", parsed.id[:])
	parsed.commitment = o.binary("c", commitmentSize, commitmentSize)
	o.refuseUnknown()
	if o.err != nil {
		return o.err
	}
	r.credentials = append(r.credentials, parsed)
	r.foreign = append(r.foreign, o.unknown()...)
	return nil
}

// epoch returns the number of the newest key.
func (r *keyring) epoch() uint32 { return r.epochs[len(r.epochs)-1].epoch }

func (r *keyring) find(epoch uint32) (keys.VRK, bool) {
	i, found := slices.BinarySearchFunc(r.epochs, epoch, func(e epochKey, want uint32) int { return int(int64(e.epoch) - int64(want)) })
	if !found {
		return keys.VRK{}, false
	}
	return r.epochs[i].key, true
}

// clone copies the keys themselves, so that wiping one keyring leaves the other.
func (r *keyring) clone() *keyring {
	copied := &keyring{names: copyVNK(r.names), credentials: slices.Clone(r.credentials), foreign: slices.Clone(r.foreign)}
	for _, entry := range r.epochs {
		copied.epochs = append(copied.epochs, epochKey{epoch: entry.epoch, key: copyVRK(entry.key)})
	}
	return copied
}

func (r *keyring) clear() {
	for _, entry := range r.epochs {
		entry.key.Clear()
	}
	r.names.Clear()
	r.epochs = nil
}

func copyVRK(key keys.VRK) keys.VRK {
	copied, err := keys.ParseVRK(key.Reveal()[:])
	if err != nil {
		panic("vault: internal error: a root key does not parse")
	}
	return copied
}

func copyVNK(key keys.VNK) keys.VNK {
	copied, err := keys.ParseVNK(key.Reveal()[:])
	if err != nil {
		panic("vault: internal error: a name key does not parse")
	}
	return copied
}

type keyringShape struct {
	Epochs      []epochShape      `json:"vrk"`
	Names       []byte            `json:"vnk"`
	Credentials []credentialShape `json:"creds"`
}

type epochShape struct {
	Epoch uint32 `json:"e"`
	Key   []byte `json:"k"`
}

type credentialShape struct {
	Number     uint64 `json:"n"`
	ID         string `json:"id"`
	Commitment []byte `json:"c"`
}

// encode returns the keyring as it is sealed; the caller wipes it.
func (r *keyring) encode() []byte {
	shape := keyringShape{Epochs: []epochShape{}, Names: r.names.Reveal()[:], Credentials: []credentialShape{}}
	for _, entry := range r.epochs {
		shape.Epochs = append(shape.Epochs, epochShape{Epoch: entry.epoch, Key: entry.key.Reveal()[:]})
	}
	for _, entry := range r.credentials {
		shape.Credentials = append(shape.Credentials, credentialShape{Number: entry.number, ID: fmt.Sprintf("%x", entry.id), Commitment: entry.commitment})
	}
	return encodeJSON(shape)
}
