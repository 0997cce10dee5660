package objects

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
	"sallyport/gateway/multipart"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

const heldPrefix = ".sallyport/held/"

// upload is an open upload as its first note describes it. Nothing here changes while the upload lives, so it may be remembered.
type upload struct {
	*place
	object.Upload
	note      *object.UploadNote
	algorithm checksum.Algorithm
	composite bool
}

func (u *upload) ref() providers.Upload { return providers.Upload{ID: u.ID, Key: u.backendKey} }

func (u *upload) stateKey() (keys.StateKey, error) { return u.bucket.Vault.StateKey(u.Epoch) }

// heldFolder is where the held parts of an upload lie.
func heldFolder(uploadID string) string {
	sum := sha256.Sum256([]byte(uploadID))
	return heldPrefix + hex.EncodeToString(sum[:]) + "/"
}

// secret returns what the upload's frames are sealed with, once it is clear that the request brings the right key.
func (u *upload) secret(customer *CustomerKey) (keys.ObjectSecret, error) {
	if u.Mode == object.ModeVault {
		if customer != nil {
			return keys.ObjectSecret{}, refuse(CustomerKeyUnwanted, "the upload was begun without a customer key")
		}
		return u.bucket.Vault.ObjectSecret(u.ObjectIdentity())
	}
	if customer == nil {
		return keys.ObjectSecret{}, refuse(CustomerKeyRequired, "the upload was begun with a customer key, which every part must bring")
	}
	secret := keys.CustomerObjectSecret(*customer, u.Salt)
	table := secret.TableKey()
	defer table.Clear()
	if !table.Equal(u.note.TableKey) {
		return keys.ObjectSecret{}, refuse(CustomerKeyWrong, "this is not the customer key the upload was begun with")
	}
	return secret, nil
}

// showsChecksums reports whether an answer may say what the plaintext's checksums are, given the key that the request brought, which is the right one
// or none: a checksum tells whether the plaintext is what somebody guesses.
func (u *upload) showsChecksums(customer *CustomerKey) bool {
	return u.Mode == object.ModeVault || customer != nil
}

// openUpload finds an upload that is not completed for somebody who may go on with it. Parts sent to an upload that was aborted meanwhile are the driver's to refuse.
func (s *Service) openUpload(ctx context.Context, ref *UploadRef) (*upload, error) {
	at, err := s.locate(ctx, ref.Bucket, ref.Key)
	if err != nil {
		return nil, err
	}
	if u := s.uploads.get(at, ref.UploadID); u != nil {
		return u, u.allow(ref)
	}
	u, _, notes, err := s.readUpload(ctx, at, ref)
	if err != nil {
		return nil, err
	}
	if finished(notes) {
		return nil, errNoUpload()
	}
	return u, nil
}

func (u *upload) allow(ref *UploadRef) error {
	if u.note.Principal != ref.Principal {
		return errNoUpload()
	}
	return nil
}

func errNoUpload() *Error {
	return refuse(NoSuchUpload, "the upload does not exist; it may have been aborted or completed")
}

// readUpload reads all that is kept of an upload.
func (s *Service) readUpload(ctx context.Context, at *place, ref *UploadRef) (*upload, []providers.Part, []providers.Note, error) {
	parts, notes, err := readNotes(ctx, at, ref.UploadID)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := ref.Room.take(ctx, uploadNoteMemory*int64(len(notes))); err != nil {
		return nil, nil, nil, err
	}
	for _, n := range notes {
		if n.Name == providers.FirstNote && len(n.Data) > 0 {
			u, err := openFirstNote(ctx, at, ref.UploadID, n.Data)
			if err != nil {
				return nil, nil, nil, s.explainNote(at, err)
			}
			if err := u.allow(ref); err != nil {
				return nil, nil, nil, err
			}
			if !finished(notes) {
				s.uploads.put(u)
			}
			return u, parts, notes, nil
		}
	}
	return nil, nil, nil, errNoUpload()
}

func readNotes(ctx context.Context, at *place, uploadID string) ([]providers.Part, []providers.Note, error) {
	if uploadID == "" || strings.ContainsRune(uploadID, 0) {
		return nil, nil, errNoUpload()
	}
	return at.store().Uploads().Read(ctx, providers.Upload{ID: uploadID, Key: at.backendKey})
}

// openFirstNote opens what was written when the upload was created, and holds it to the key it is asked for under.
func openFirstNote(ctx context.Context, at *place, uploadID string, data []byte) (*upload, error) {
	id, err := object.ParseNoteHeader(data)
	if err != nil {
		return nil, err
	}
	if id.VaultID, err = at.bucket.Vault.ID(); err != nil {
		return nil, err
	}
	if err := at.bucket.Vault.LearnEpoch(ctx, id.Epoch); err != nil {
		return nil, err
	}
	u := &upload{place: at, Upload: object.Upload{Identity: id, ID: uploadID}}
	key, err := u.stateKey()
	if err != nil {
		return nil, err
	}
	if u.note, err = object.OpenUploadNote(key, u.Upload, data); err != nil {
		return nil, err
	}
	if u.note.Bucket != at.bucket.Name || u.note.Key != at.key {
		return nil, errNoUpload()
	}
	if u.note.ChecksumAlgorithm != "" {
		if u.algorithm, err = checksum.ParseAlgorithm(u.note.ChecksumAlgorithm); err != nil {
			return nil, fmt.Errorf("read upload: %w", err)
		}
	}
	u.composite = u.note.ChecksumType == checksum.TypeComposite
	return u, nil
}

// explainNote raises the alarm for a note that was altered.
func (s *Service) explainNote(at *place, err error) error {
	if errors.Is(err, object.ErrDamaged) || errors.Is(err, object.ErrWrongKey) || errors.Is(err, object.ErrForeign) {
		return s.damaged(at, "what is stored of the upload does not verify; abort it and upload again", err)
	}
	if errors.Is(err, vaults.ErrUnknownEpoch) {
		return s.damaged(at, "what is stored of the upload is sealed under an epoch that this gateway's vault file does not know: if the vault's password was changed elsewhere, see that this gateway's configuration names the key or the new password, and restart it; else it was altered", err)
	}
	return err
}

// attempts opens the notes of all parts. An attempt whose note does not verify is as good as not made: nothing can be sealed that names it.
func (s *Service) attempts(u *upload, notes []providers.Note) ([]multipart.Attempt, error) {
	key, err := u.stateKey()
	if err != nil {
		return nil, err
	}
	var found []multipart.Attempt
	for _, n := range notes {
		number, ok := attemptNumber(n.Name)
		if !ok {
			continue
		}
		note, err := object.OpenPartNote(key, u.Upload, number, n.Data)
		if err != nil {
			_ = s.damaged(u.place, "what is stored of part "+strconv.Itoa(number)+" of an upload does not verify; the part must be sent again", err)
			continue
		}
		found = append(found, multipart.Attempt{PartNote: *note, Name: n.Name, When: n.ModTime})
	}
	return found, nil
}

// attemptNumber reads "<n>-<16 hex>".
func attemptNumber(name string) (int, bool) {
	digits, random, ok := strings.Cut(name, "-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 1 && n <= object.MaxParts && len(random) == 16
}

// backendState says which part bytes are still there. Held frames are taken as present: reading one at Complete tells.
func backendState(parts []providers.Part) *multipart.Backend {
	b := &multipart.Backend{Parts: make(map[int]string, len(parts))}
	for _, p := range parts {
		b.Parts[p.N] = p.ETag
	}
	return b
}

// maxRememberedUploads bounds the memory below; an upload that is forgotten is read again with its next part.
const maxRememberedUploads = 1024

// uploadMemory remembers open uploads, so that a part does not cost reading the notes of all the others.
type uploadMemory struct {
	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // of *upload, the latest used in front
}

func newUploadMemory() *uploadMemory {
	return &uploadMemory{byID: map[string]*list.Element{}, order: list.New()}
}

func (m *uploadMemory) get(at *place, id string) *upload {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byID[id]
	if !ok {
		return nil
	}
	u, ok := e.Value.(*upload)
	if !ok || u.bucket.Vault != at.bucket.Vault || u.backendKey != at.backendKey {
		return nil
	}
	m.order.MoveToFront(e)
	return u
}

func (m *uploadMemory) put(u *upload) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byID[u.ID]; ok {
		m.order.Remove(e)
	}
	m.byID[u.ID] = m.order.PushFront(u)
	if m.order.Len() > maxRememberedUploads {
		m.removeLocked(m.order.Back())
	}
}

func (m *uploadMemory) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.byID[id]; ok {
		m.removeLocked(e)
	}
}

func (m *uploadMemory) removeLocked(e *list.Element) {
	if u, ok := m.order.Remove(e).(*upload); ok {
		delete(m.byID, u.ID)
	}
}
