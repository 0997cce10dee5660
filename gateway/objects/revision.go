package objects

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// errChanged says that the stored object was replaced or removed between two reads that must see one revision. Callers start again.
var errChanged = errors.New("the object changed while it was being read")

// maxRestarts is how often a read begins anew because of errChanged before it gives up.
const maxRestarts = 3

// restarting calls once, and calls it again when the object that it reads is replaced meanwhile. An object that is replaced each time gives gaveUp.
func restarting[T any](gaveUp *Error, once func() (*T, error)) (*T, error) {
	for restarts := 0; ; restarts++ {
		out, err := once()
		if !errors.Is(err, errChanged) {
			return out, err
		}
		if restarts == maxRestarts {
			return nil, gaveUp
		}
	}
}

func readOvertaken() *Error {
	return refuse(Unavailable, "the object is being replaced faster than it can be read")
}

func copyOvertaken() *Error {
	return refuse(Conflict, "the source is being replaced faster than it can be copied")
}

// place is where an object lies.
type place struct {
	bucket     *vaults.Bucket
	key        string // as the client names it
	backendKey string
}

func (p *place) store() *providers.Store { return p.bucket.Vault.Store() }

// locate finds the vault and the backend key of an object. It does no I/O while the bucket's record is remembered.
func (s *Service) locate(ctx context.Context, bucket, key string) (*place, error) {
	b, err := s.bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	backendKey, err := b.BackendKey(key)
	if err != nil {
		return nil, err
	}
	return &place{bucket: b, key: key, backendKey: backendKey}, nil
}

// storedRevision is one revision of a stored object. Once openRevision has returned it, its tail is open and belongs to the place where it lies.
type storedRevision struct {
	*place
	info    *providers.Info
	id      object.Identity
	secret  keys.ObjectSecret
	meta    *object.Metadata
	etag    string
	end     []byte // the file's last bytes, the tail among them; all of the file if it is small
	table   []byte // sealed; only where it had to be read by itself
	begun   *begunRead
	lent    lentBuffers // of which end may be one
	buffers *bufferPool

	known       *knownEnd // what end is, if it was remembered
	unconfirmed bool      // the backend has not said yet that this is the present revision
}

// openRevision reads the last bytes of an object, at least a tail's length of them, or begins to read all of it with fromStart, and opens
// its tail. What it leaves open, close closes.
func (s *Service) openRevision(ctx context.Context, at *place, customer *CustomerKey, last int64) (*storedRevision, error) {
	r := &storedRevision{place: at, buffers: s.buffers}
	var err error
	if last == fromStart {
		err = s.begin(ctx, r)
	} else {
		r.end, r.info, err = readEnd(ctx, at, last, "")
	}
	if err != nil {
		r.close()
		return nil, err
	}
	if err := s.openEnd(ctx, r, customer); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// openEnd opens the tail of a revision whose end is there.
func (s *Service) openEnd(ctx context.Context, r *storedRevision, customer *CustomerKey) (err error) {
	if err := r.openTail(ctx, customer); err != nil {
		return s.explain(ctx, r, err)
	}
	r.etag, err = etagOf(r.bucket.Vault, r.id.Mode, r.meta.ETag, r.info.ETag)
	return err
}

// begin reads an object that is wanted whole, from its first byte on. Afterwards a small one is in memory; of a larger one the tail was read in a
// second request, while the first, r.begun, is already delivering the body.
func (s *Service) begin(ctx context.Context, r *storedRevision) error {
	body, info, err := r.store().Get(ctx, r.backendKey, &providers.GetOptions{})
	if err != nil {
		return err
	}
	r.info = info
	if info.Size <= smallFile {
		r.end = s.buffers.lend(&r.lent, info.Size)
		return readWhole(body, r.end)
	}
	if r.end, _, err = readEnd(ctx, r.place, lastRead, info.ETag); err != nil {
		return errors.Join(err, body.Close())
	}
	r.begun = &begunRead{ReadCloser: body, left: info.Size}
	return nil
}

// close ends the read that begin began, unless fetch has handed it on, and gives the buffers back: end may not be used after that.
func (r *storedRevision) close() {
	r.buffers.takeBack(&r.lent)
	if r.begun != nil {
		_ = r.begun.ReadCloser.Close()
	}
}

func etagOf(v *vaults.Vault, mode object.Mode, inTail, backendETag string) (string, error) {
	policy, err := v.Policy()
	if err != nil {
		return "", err
	}
	return shownETag(policy, mode, inTail, backendETag), nil
}

// readEnd returns the last bytes of an object, all of it if it is shorter, and what it is as a whole. With ifMatch it reads that revision
// or fails with errChanged.
func readEnd(ctx context.Context, at *place, last int64, ifMatch string) ([]byte, *providers.Info, error) {
	body, info, err := at.store().Get(ctx, at.backendKey, &providers.GetOptions{Suffix: last, IfMatch: ifMatch})
	if err != nil && ifMatch != "" {
		return nil, nil, changed(err)
	}
	if err != nil {
		return nil, nil, err
	}
	if ifMatch != "" && info.ETag != ifMatch { // a backend that does not know the condition
		return nil, nil, errors.Join(errChanged, body.Close())
	}
	end := make([]byte, min(last, info.Size))
	return end, info, readWhole(body, end)
}

// readWhole fills end and closes the source.
func readWhole(body io.ReadCloser, end []byte) error {
	_, err := io.ReadFull(body, end)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("read tail: %w", changed(err))
	}
	return nil
}

// openTail checks and opens the tail at the end of r.end, and that the object belongs to this vault and under this name.
func (r *storedRevision) openTail(ctx context.Context, customer *CustomerKey) error {
	tail := r.end[max(0, len(r.end)-object.TailSize):]
	var err error
	if r.id, err = object.ParseTailHeader(tail); err != nil {
		return err
	}
	if _, ok := object.PlainSize(r.info.Size); !ok {
		return object.ErrDamaged
	}
	if r.secret, err = secretOf(ctx, r.bucket.Vault, r.id, customer); err != nil {
		return err
	}
	key := r.secret.TailKey()
	defer key.Clear()
	if r.meta, err = object.OpenTail(tail, key); err != nil {
		return err
	}
	if plain, _ := object.PlainSize(r.info.Size); plain != r.meta.Plain {
		return object.ErrDamaged
	}
	if r.meta.Bucket != r.bucket.Name || r.meta.Key != r.key {
		return refuse(Misplaced, fmt.Sprintf("what is stored under this name is the object %q of bucket %q, intact, put here by something else than this gateway",
			r.meta.Key, r.meta.Bucket))
	}
	return nil
}

// secretOf finds the secret of an object by the clear bytes of its tail, with the vault's key or the customer's.
func secretOf(ctx context.Context, v *vaults.Vault, id object.Identity, customer *CustomerKey) (keys.ObjectSecret, error) {
	vaultID, err := v.ID()
	if err != nil {
		return keys.ObjectSecret{}, err
	}
	switch {
	case id.VaultID != vaultID:
		return keys.ObjectSecret{}, refuse(Foreign, fmt.Sprintf("the stored object belongs to vault %s, not to this bucket's vault %s", id.VaultID, vaultID))
	case id.Mode == object.ModeCustomer && customer == nil:
		return keys.ObjectSecret{}, refuse(CustomerKeyRequired, "the object is sealed with a customer key, which the request must bring")
	case id.Mode == object.ModeCustomer:
		return keys.CustomerObjectSecret(*customer, id.Salt), nil
	case customer != nil:
		return keys.ObjectSecret{}, refuse(CustomerKeyUnwanted, "the object is not sealed with a customer key")
	}
	if err := v.LearnEpoch(ctx, id.Epoch); err != nil {
		return keys.ObjectSecret{}, err
	}
	return v.ObjectSecret(id)
}

// explain says what a stored file is that cannot be served, and raises the alarm when it is ours and damaged or not in its place.
func (s *Service) explain(ctx context.Context, r *storedRevision, err error) error {
	switch {
	case isMisplaced(err):
		s.misplaced(r.place, err)
	case errors.Is(err, object.ErrForeign):
		if s.beginsLikeOurs(ctx, r) {
			return s.damaged(r.place, "the stored object has lost its end; object salvage may recover its content", err)
		}
		return refuse(Foreign, fmt.Sprintf("what is stored under this name (%d bytes) is not an object of this gateway", r.info.Size))
	case errors.Is(err, object.ErrUnsupported):
		return refuse(Foreign, "the stored object is of a format version this gateway does not know, or its header was altered")
	case errors.Is(err, object.ErrWrongKey) && r.id.Mode == object.ModeCustomer:
		return refuse(CustomerKeyWrong, "the customer key does not open this object")
	case errors.Is(err, object.ErrWrongKey):
		return s.damaged(r.place, "the stored object does not verify under the vault's key", err)
	case errors.Is(err, object.ErrDamaged):
		return s.damaged(r.place, "the stored object does not verify: it was altered, cut or extended", err)
	case errors.Is(err, vaults.ErrUnknownEpoch):
		return s.damaged(r.place, fmt.Sprintf("the stored object is sealed under epoch %d, which this gateway's vault file does not know: if the vault's password was changed elsewhere, see that this gateway's configuration names the key or the new password, and restart it; else it was altered", r.id.Epoch), err)
	}
	return err
}

// damaged is the error for ciphertext that does not verify, and the alarm: somebody or something changed the backend.
func (s *Service) damaged(at *place, message string, cause error) error {
	s.alarm(at.bucket.Vault.Name(), at.bucket.Name, at.key, message)
	return &Error{Kind: Damaged, Message: message, Err: cause}
}

func isMisplaced(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == Misplaced
}

// misplaced raises the alarm for a whole object under another's name: to exchange objects is an attack as much as to alter one.
func (s *Service) misplaced(at *place, err error) {
	s.alarm(at.bucket.Vault.Name(), at.bucket.Name, at.key, err.Error())
}

func (s *Service) alarm(vault, bucket, key, message string) {
	s.metrics.IntegrityFailure(vault)
	s.log.Error("integrity alarm", telemetry.Vault(vault), telemetry.Bucket(bucket), telemetry.Object(key), telemetry.Reason(message))
}

// beginsLikeOurs reports whether a file without a tail begins with a frame. It decides between two messages only.
func (s *Service) beginsLikeOurs(ctx context.Context, r *storedRevision) bool {
	if r.info.Size < object.FramePrefixSize {
		return false
	}
	begin := make([]byte, object.FramePrefixSize)
	body, _, err := r.store().Get(ctx, r.backendKey, &providers.GetOptions{Length: object.FramePrefixSize, IfMatch: r.info.ETag})
	if err != nil {
		return false
	}
	defer func() { _ = body.Close() }()
	if _, err := io.ReadFull(body, begin); err != nil {
		return false
	}
	_, err = object.ParseFramePrefix(begin)
	return !errors.Is(err, object.ErrForeign)
}

// fetch reads a range of the same revision's file: from memory if it is there, else from the backend, which is held to the revision.
func (r *storedRevision) fetch(ctx context.Context, off, length int64) (io.ReadCloser, error) {
	if length == 0 {
		return &memory{}, nil // the backend would take it for "to the end"
	}
	if inEnd := off - (r.info.Size - int64(len(r.end))); inEnd >= 0 {
		return &memory{r.end[inEnd : inEnd+length]}, nil
	}
	if begun := r.begun; begun != nil && off == 0 {
		r.begun = nil
		return begun, nil
	}
	body, info, err := r.store().Get(ctx, r.backendKey, &providers.GetOptions{Offset: off, Length: length, IfMatch: r.info.ETag})
	switch {
	case err != nil:
		return nil, changed(err)
	case info.ETag != r.info.ETag, info.Size != r.info.Size:
		return nil, errors.Join(errChanged, body.Close())
	case r.unconfirmed:
		if err := r.confirm(info); err != nil {
			return nil, errors.Join(err, body.Close())
		}
	}
	return body, nil
}

// begunRead is a read of a whole file of which the table and the tail at its end are not wanted.
type begunRead struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *begunRead) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

// Close takes what little is left first, because an HTTP backend could not use its connection again otherwise.
func (b *begunRead) Close() error {
	if b.left <= lastRead {
		_, _ = io.CopyN(io.Discard, b.ReadCloser, b.left)
	}
	return b.ReadCloser.Close()
}

// changed recognises a revision that is gone: the backend says so when a read is begun, and Store (Conflict) when it takes one up again that broke off.
func changed(err error) error {
	for _, k := range []providers.Kind{providers.PreconditionFailed, providers.NotFound, providers.Conflict} {
		if providers.Is(err, k) {
			return errors.Join(errChanged, err)
		}
	}
	return err
}

// memory yields bytes that are held already.
type memory struct{ rest []byte }

// Read implements io.Reader.
func (m *memory) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (m *memory) Close() error { return nil }

// Next implements chunked.Memory.
func (m *memory) Next(n int) []byte {
	n = min(n, len(m.rest))
	next := m.rest[:n:n]
	m.rest = m.rest[n:]
	return next
}

// layout opens the table, if there is one, and combines it with the tail.
func (s *Service) layout(ctx context.Context, r *storedRevision, room Room) (*object.Layout, []object.Entry, error) {
	var table []object.Entry
	if r.meta.Frames > 1 {
		off, length := object.TableRange(r.info.Size, r.meta.Frames)
		if off < 0 {
			return nil, nil, s.damaged(r.place, "the stored object does not verify: its table does not fit", object.ErrDamaged)
		}
		if err := room.take(ctx, tableEntryMemory*int64(r.meta.Frames)); err != nil {
			return nil, nil, err
		}
		src, err := r.fetch(ctx, off, length)
		if err != nil {
			return nil, nil, err
		}
		sealed := make([]byte, length)
		_, err = io.ReadFull(src, sealed)
		if closeErr := src.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read table: %w", changed(err))
		}
		key := r.secret.TableKey()
		defer key.Clear()
		if table, err = object.OpenTable(r.id, key, r.meta, sealed); err != nil {
			return nil, nil, s.damaged(r.place, "the stored object does not verify: its table of parts was altered", err)
		}
		r.table = sealed
	}
	layout, err := object.NewLayout(r.info.Size, r.id, r.meta, table)
	if err != nil {
		return nil, nil, s.damaged(r.place, "the stored object does not verify: its parts do not add up", err)
	}
	return layout, table, nil
}
