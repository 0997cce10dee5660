package vault

import (
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"sallyport/crypto/chunked"
	"sallyport/crypto/keys"
)

// slotContext is what everything sealed for one slot is bound to.
func slotContext(word string, id ID, slot SlotID) []byte {
	return keys.AppendSized(append(keys.Label(word), id[:]...), slot[:])
}

// slotKey derives the key that seals a slot's private key, from what a person knows.
func slotKey(id ID, slot SlotID, salt, input []byte) *[keys.Size]byte {
	extracted := keys.Extract(salt, input)
	defer clear(extracted)
	expanded := keys.Expand(extracted, slotContext("slot-kek", id, slot), keys.Size)
	defer clear(expanded)
	return new([keys.Size]byte(expanded))
}

func kem() hpke.KEM { return hpke.MLKEM768X25519() }

func wrapInfo(id ID, slot SlotID, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(slotContext("krk", id, slot), generation)
}

// wrap seals the keyring key to a slot's public key.
func wrap(public []byte, key *[keys.Size]byte, id ID, slot SlotID, generation uint64) ([]byte, error) {
	recipient, err := kem().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("read public key of slot %s: %w", slot, err)
	}
	wrapped, err := hpke.Seal(recipient, hpke.HKDFSHA256(), hpke.AES256GCM(), wrapInfo(id, slot, generation), key[:])
	if err != nil {
		return nil, fmt.Errorf("seal keyring key to slot %s: %w", slot, err)
	}
	return wrapped, nil
}

func unwrap(private hpke.PrivateKey, wrapped []byte, id ID, slot SlotID, generation uint64) (*[keys.Size]byte, error) {
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), wrapInfo(id, slot, generation), wrapped)
	if err != nil {
		return nil, fmt.Errorf("open keyring key: %w", err)
	}
	defer clear(plain)
	if len(plain) != keys.Size {
		return nil, errors.New("open keyring key: wrong length")
	}
	return new([keys.Size]byte(plain)), nil
}

func keyringContext(id ID, generation uint64) []byte {
	return binary.BigEndian.AppendUint64(append(keys.Label("keyring"), id[:]...), generation)
}

// seal is chunked.Seal, whose only failure would be one of its caller.
func seal(key *[keys.Size]byte, context, plain []byte) []byte {
	sealed, err := chunked.Seal(key, context, plain)
	if err != nil {
		panic(fmt.Sprintf("vault: internal error: seal: %v", err))
	}
	return sealed
}

// fileMAC computes line 2.
func fileMAC(auth *[authKeySize]byte, line []byte) []byte {
	key := keys.Expand(auth[:], keys.Label("vaultfile"), keys.Size)
	defer clear(key)
	return mac(key, line)
}

// chainMAC computes line 3.
func chainMAC(key keys.VRK, line []byte) []byte {
	chain := key.ChainKey()
	defer chain.Clear()
	return mac(chain.Reveal()[:], line)
}

func mac(key, line []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(line)
	return h.Sum(nil)
}
