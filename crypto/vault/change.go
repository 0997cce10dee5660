package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/config/secret"
	"sallyport/crypto/keys"
)

// draft is the next generation of a vault file before it is written. It owns its keys.
type draft struct {
	id         ID
	generation uint64
	created    uint64
	settings   Settings
	auth       *[authKeySize]byte
	ring       *keyring
	slots      []slot
}

// slotProof opens a slot that was just made, so that a file is never handed out whose new slots do not open it.
type slotProof struct {
	id  SlotID
	key *[keys.Size]byte
}

// AddPassword returns the next generation of the vault with one more password; all others stay. What it returns is not stored yet:
// the caller stores File().Bytes() under File().Name() so that nothing is replaced, reads it back, and only then lets it take the
// place of o, which stays as it is.
func (o *Opened) AddPassword(ctx context.Context, hasher *Hasher, password secret.String, label string) (*Opened, error) {
	next, err := o.change(func(d *draft) ([]slotProof, error) {
		added, proof, err := d.passwordSlot(ctx, hasher, password, orDefault(label, defaultPasswordLabel))
		d.slots = append(d.slots, added)
		return []slotProof{proof}, err
	})
	if err != nil {
		return nil, fmt.Errorf("add password: %w", err)
	}
	return next, nil
}

// ChangePassword returns the next generation with a new password in place of the given password slot. The old password opens neither
// the new file nor anything written after it; copies of older files that somebody took still open with it. Storing is as for
// [Opened.AddPassword]; older generations are then deleted by the caller.
func (o *Opened) ChangePassword(ctx context.Context, hasher *Hasher, old SlotID, password secret.String) (*Opened, error) {
	next, err := o.change(func(d *draft) ([]slotProof, error) {
		removed, err := d.remove(old)
		if err != nil {
			return nil, err
		}
		if removed.kind != SlotPassword {
			return nil, fmt.Errorf("slot %s holds no password: %w", old, ErrNoSlot)
		}
		added, proof, err := d.passwordSlot(ctx, hasher, password, removed.label)
		d.slots = append(d.slots, added)
		return []slotProof{proof}, err
	})
	if err != nil {
		return nil, fmt.Errorf("change password: %w", err)
	}
	return next, nil
}

// ReplaceRecoveryKey returns the next generation with the given key in place of the given recovery slot. What holds for a changed
// password holds here.
func (o *Opened) ReplaceRecoveryKey(old SlotID, key RecoveryKey) (*Opened, error) {
	next, err := o.change(func(d *draft) ([]slotProof, error) {
		removed, err := d.remove(old)
		if err != nil {
			return nil, err
		}
		if removed.kind != SlotRecovery {
			return nil, fmt.Errorf("slot %s holds no 64-digit key: %w", old, ErrNoSlot)
		}
		added, proof, err := d.recoverySlot(key, removed.label)
		// The recovery slot comes first.
		d.slots = slices.Insert(d.slots, 0, added)
		return []slotProof{proof}, err
	})
	if err != nil {
		return nil, fmt.Errorf("replace 64-digit key: %w", err)
	}
	return next, nil
}

// RemoveSlot returns the next generation without a slot, under a new key for everything written from then on. The only 64-digit key
// of a vault cannot be removed ([ErrLastRecoverySlot]). What holds for a changed password holds here.
func (o *Opened) RemoveSlot(id SlotID) (*Opened, error) {
	next, err := o.change(func(d *draft) ([]slotProof, error) {
		removed, err := d.remove(id)
		if err != nil {
			return nil, err
		}
		if removed.kind == SlotCredential {
			return nil, fmt.Errorf("slot %s belongs to a credential: %w", id, ErrTooNew)
		}
		if !slices.ContainsFunc(d.slots, func(s slot) bool { return s.kind == SlotRecovery }) {
			return nil, ErrLastRecoverySlot
		}
		return nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("remove key slot: %w", err)
	}
	return next, nil
}

// Rotate returns the next generation with a new key for everything written from then on, and the same slots.
func (o *Opened) Rotate() (*Opened, error) {
	next, err := o.change(func(d *draft) ([]slotProof, error) { return nil, d.newEpoch() })
	if err != nil {
		return nil, fmt.Errorf("rotate key: %w", err)
	}
	return next, nil
}

// change copies everything into a draft of the next generation, lets edit work on it, and writes it.
func (o *Opened) change(edit func(*draft) ([]slotProof, error)) (*Opened, error) {
	next, err := o.nextDraft()
	if err != nil {
		return nil, err
	}
	proofs, err := edit(next)
	defer func() {
		for _, proof := range proofs {
			if proof.key != nil {
				clear(proof.key[:])
			}
		}
	}()
	if err != nil {
		next.clear()
		return nil, err
	}
	return next.finish(o.with, proofs)
}

func (o *Opened) nextDraft() (*draft, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if o.auth == nil {
		return nil, ErrClosed
	}
	if foreign := slices.Concat(o.file.foreign, o.ring.foreign); len(foreign) > 0 {
		return nil, fmt.Errorf("the vault file is %w; not known here: %s", ErrTooNew, strings.Join(foreign, ", "))
	}
	if o.file.generation == MaxGeneration {
		return nil, errors.New("the vault file cannot be numbered any higher")
	}
	return &draft{
		id: o.file.id, generation: o.file.generation + 1, created: o.file.created, settings: o.file.settings,
		auth: new(*o.auth), ring: o.ring.clone(), slots: slices.Clone(o.file.slots),
	}, nil
}

// remove takes a slot away and begins a new epoch, so that its holder can read nothing that is written later.
func (d *draft) remove(id SlotID) (slot, error) {
	i := slices.IndexFunc(d.slots, func(s slot) bool { return s.id == id })
	if i < 0 {
		return slot{}, ErrNoSlot
	}
	removed := d.slots[i]
	d.slots = slices.Delete(d.slots, i, i+1)
	return removed, d.newEpoch()
}

func (d *draft) newEpoch() error {
	last := d.ring.epoch()
	if last == 1<<32-1 {
		return errors.New("the vault's keys cannot be numbered any higher")
	}
	d.ring.epochs = append(d.ring.epochs, epochKey{epoch: last + 1, key: keys.NewVRK()})
	return nil
}

func (d *draft) passwordSlot(ctx context.Context, hasher *Hasher, password secret.String, label string) (slot, slotProof, error) {
	if err := CheckPassword(password); err != nil {
		return slot{}, slotProof{}, err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	known, err := hasher.derive(ctx, password, salt, hasher.cost)
	if err != nil {
		return slot{}, slotProof{}, err
	}
	defer clear(known)
	return d.newSlot(slot{kind: SlotPassword, label: label, cost: hasher.cost, salt: salt}, known)
}

func (d *draft) recoverySlot(key RecoveryKey, label string) (slot, slotProof, error) {
	if key.IsZero() {
		return slot{}, slotProof{}, fmt.Errorf("%w: no key was given", ErrRecoveryKeyText)
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	return d.newSlot(slot{kind: SlotRecovery, label: label, salt: salt}, key.raw.Reveal())
}

// newSlot draws a key pair and seals its private half, with the vault's authentication key, under what a person knows.
func (d *draft) newSlot(made slot, known []byte) (slot, slotProof, error) {
	if err := checkLabel(made.label); err != nil {
		return slot{}, slotProof{}, err
	}
	_, _ = rand.Read(made.id[:])
	made.created = uint64(time.Now().UnixMilli())
	private, err := kem().GenerateKey()
	if err != nil {
		return slot{}, slotProof{}, fmt.Errorf("make key pair: %w", err)
	}
	seed, err := private.Bytes()
	if err != nil || len(seed) != seedSize {
		panic("vault: internal error: private key of another length")
	}
	defer clear(seed)
	made.public = private.PublicKey().Bytes()
	key := slotKey(d.id, made.id, made.salt, known)
	both := slices.Concat(seed, d.auth[:])
	defer clear(both)
	made.sealed = seal(key, slotContext("slot-sk", d.id, made.id), both)
	return made, slotProof{id: made.id, key: key}, nil
}

// finish writes the draft, reads it back as a stranger would, and opens it with every new slot. On an error the draft's keys are wiped.
func (d *draft) finish(with SlotID, proofs []slotProof) (*Opened, error) {
	file, err := d.write()
	if err != nil {
		d.clear()
		return nil, err
	}
	for _, proof := range proofs {
		added := file.find(proof.id)
		if added == nil {
			panic("vault: internal error: a new slot is not in the file")
		}
		check, err := file.openSlot(added, proof.key)
		if err != nil {
			d.clear()
			return nil, fmt.Errorf("check new key slot: %w", err)
		}
		check.Close()
	}
	return &Opened{file: file, with: with, auth: d.auth, ring: d.ring}, nil
}

// write seals the keyring under a fresh key, wraps that key for every slot, and authenticates the result.
func (d *draft) write() (*File, error) {
	openers := 0
	for i := range d.slots {
		if d.slots[i].opener() {
			openers++
		}
	}
	if len(d.slots) > maxSlots || openers > maxOpenerSlots {
		return nil, ErrTooManySlots
	}
	var ringKey [keys.Size]byte
	_, _ = rand.Read(ringKey[:])
	defer clear(ringKey[:])
	plain := d.ring.encode()
	defer clear(plain)
	shape := fileShape{
		Format: fileFormat, Vault: d.id.String(), Generation: d.generation, Created: d.created, Suite: fileSuite,
		Names: d.settings.Names, ETag: d.settings.ETag, KeyMax: d.settings.KeyMax, Epoch: d.ring.epoch(),
		Keyring: seal(&ringKey, keyringContext(d.id, d.generation), plain),
	}
	for i := range d.slots {
		wrapped, err := wrap(d.slots[i].public, &ringKey, d.id, d.slots[i].id, d.generation)
		if err != nil {
			return nil, err
		}
		d.slots[i].wrapped = wrapped
		shape.Slots = append(shape.Slots, d.slots[i].shape())
	}
	line := encodeJSON(shape)
	newest, _ := d.ring.find(d.ring.epoch())
	data := bytes.Join([][]byte{line, encodeMAC(fileMAC(d.auth, line)), encodeMAC(chainMAC(newest, line)), nil}, []byte("\n"))
	if len(data) > MaxFileSize {
		return nil, ErrTooManySlots
	}
	return Parse(data)
}

func encodeMAC(mac []byte) []byte {
	return base64.StdEncoding.AppendEncode(nil, mac)
}

func (d *draft) clear() {
	clear(d.auth[:])
	d.ring.clear()
}
