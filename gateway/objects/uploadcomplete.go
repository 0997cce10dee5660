package objects

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"time"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
	"sallyport/gateway/multipart"
	"sallyport/gateway/telemetry"
	"sallyport/providers"
)

// errHeldGone says that a held part was there when its upload was read and is not any more: as a rule another gateway has completed the upload.
var errHeldGone = errors.New("a held part is gone")

// cleanupTimeout bounds what is tidied up after the answer is already decided.
const cleanupTimeout = 30 * time.Second

func (s *Service) completeUpload(ctx context.Context, in *CompleteInput) (*PutOutput, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return nil, err
	}
	defer leave()
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	// Two completions at once would replace each other's closing part; between gateways the backend's part ETags decide. Who asks again while the
	// first is still being worked on waits for what it comes to.
	unlock, err := s.completing.Lock(ctx, in.UploadID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	u, parts, notes, err := s.readUpload(ctx, at, &in.UploadRef)
	if err != nil {
		return nil, err
	}
	if in.CustomerKey != nil {
		if _, err := u.secret(in.CustomerKey); err != nil {
			return nil, err
		}
	}
	if len(parts) == 0 || finished(notes) {
		out, lookErr := s.alreadyCompleted(ctx, u, in)
		switch {
		case out != nil:
			if !finished(notes) { // whoever completed it died before it could say so
				s.afterComplete(ctx, u, out.inTail, notes)
			}
			return u.completed(in, out), nil
		case lookErr != nil && (finished(notes) || errors.Is(lookErr, errOtherParts)):
			return nil, lookErr
		case finished(notes):
			return nil, errNoUpload()
		}
		switch lost, err := s.lostByBackend(u, parts, notes); {
		case err != nil:
			return nil, err
		case lost && lookErr != nil: // its parts may be gone because it is completed
			return nil, lookErr
		case lost:
			return nil, errNoUpload()
		}
	}
	c, err := s.plan(u, in, parts, notes)
	if err != nil {
		return nil, planFailure(err)
	}
	opts, err := s.admitComplete(ctx, u, c, &in.Conditions)
	if err != nil {
		return nil, err
	}
	info, err := s.assemble(ctx, u, c, opts)
	if err != nil {
		out, lookErr := s.completedAllTheSame(ctx, u, in, err)
		switch {
		case out != nil:
			s.afterComplete(ctx, u, out.inTail, notes)
			return u.completed(in, out), nil
		case lookErr != nil:
			return nil, lookErr
		}
		return nil, s.completeFailure(ctx, u, in, err)
	}
	s.afterComplete(ctx, u, c.meta.ETag, notes)
	if view, err := s.view(u.bucket.Vault); err == nil {
		rememberTail(view, u.backendKey, info.ETag, u.Mode, c.meta.ETag)
	}
	return u.completed(in, &PutOutput{ETag: shownETag(c.policy, u.Mode, c.meta.ETag, info.ETag), Checksum: shownChecksum(c.meta), ModTime: wholeSeconds(info.ModTime)}), nil
}

// lostByBackend reports whether an upload is gone at the backend though its notes are there: parts that it had stored are not there any more, not one of
// them. To send one again would not help, so the answer must not be that a part is missing. A service that drops old uploads does this, and MinIO when a
// gateway is killed in the middle of a completion (decision 15).
func (s *Service) lostByBackend(u *upload, parts []providers.Part, notes []providers.Note) (bool, error) {
	if len(parts) > 0 {
		return false, nil
	}
	attempts, err := s.attempts(u, notes)
	return slices.ContainsFunc(attempts, func(a multipart.Attempt) bool { return a.Held == "" }), err
}

// completed is the answer as far as the request may see it.
func (u *upload) completed(in *CompleteInput, out *PutOutput) *PutOutput {
	if !u.showsChecksums(in.CustomerKey) {
		out.Checksum = nil
	}
	return out
}

func finished(notes []providers.Note) bool {
	for _, n := range notes {
		if n.Name == providers.DoneNote {
			return true
		}
	}
	return false
}

// tableKey and tailKey close the object. In mode C they come from the note, because Complete often comes without the customer's key.
func (u *upload) tableKey() (keys.TableKey, error) {
	if u.Mode == object.ModeCustomer {
		return u.note.TableKey, nil
	}
	secret, err := u.bucket.Vault.ObjectSecret(u.ObjectIdentity())
	if err != nil {
		return keys.TableKey{}, err
	}
	return secret.TableKey(), nil
}

func (u *upload) tailKey() (keys.TailKey, error) {
	if u.Mode == object.ModeCustomer {
		return u.note.TailKey, nil
	}
	secret, err := u.bucket.Vault.ObjectSecret(u.ObjectIdentity())
	if err != nil {
		return keys.TailKey{}, err
	}
	return secret.TailKey(), nil
}

// completion is what a valid list of parts comes to.
type completion struct {
	policy   vault.ETagPolicy
	chosen   []multipart.Attempt
	size     int64 // plaintext
	meta     *object.Metadata
	closing  int // number of the backend part that ends the object
	held     bool
	customer *CustomerKey // as Complete brought it; nil = none
}

func (s *Service) plan(u *upload, in *CompleteInput, parts []providers.Part, notes []providers.Note) (*completion, error) {
	attempts, err := s.attempts(u, notes)
	if err != nil {
		return nil, err
	}
	listed := make([]multipart.Listed, 0, len(in.Parts))
	for _, p := range in.Parts {
		l := multipart.Listed{Number: p.Number, ETag: p.ETag}
		if p.Checksum != nil {
			if p.Checksum.Algorithm != u.algorithm {
				return nil, refuse(InvalidPart, fmt.Sprintf("part %d is listed with a %s, and of an upload begun with %s nothing can be compared with it; leave it out, or send the %s",
					p.Number, p.Checksum.Algorithm, u.algorithm, u.algorithm))
			}
			if l.Checksum, err = checksum.ParseValue(p.Checksum.Algorithm, p.Checksum.Value); err != nil {
				return nil, err
			}
		}
		listed = append(listed, l)
	}
	c := &completion{customer: in.CustomerKey}
	if c.chosen, err = multipart.Select(attempts, backendState(parts), listed); err != nil {
		return nil, err
	}
	if c.size, err = multipart.Size(c.chosen); err != nil {
		return nil, err
	}
	if in.Size >= 0 && in.Size != c.size {
		return nil, &multipart.Error{Reason: multipart.BadSize}
	}
	c.closing, c.held = multipart.ClosingPart(attempts, c.chosen)
	c.meta = &object.Metadata{Bucket: u.note.Bucket, Key: u.note.Key, Headers: u.note.Headers, UserMetadata: u.note.UserMetadata, Time: s.now()}
	if c.policy, err = u.bucket.Vault.Policy(); err != nil {
		return nil, err
	}
	if c.policy == vault.ETagMD5 && u.Mode == object.ModeVault {
		if c.meta.ETag, err = multipart.ETag(c.chosen); err != nil {
			return nil, err
		}
	}
	return c, u.addChecksum(c, in.Checksum)
}

// addChecksum computes the object's checksum and holds it to what the client says of the whole.
func (u *upload) addChecksum(c *completion, promised *Checksum) error {
	value, err := multipart.Checksum(u.algorithm, u.composite, c.chosen)
	if err != nil || value.IsZero() {
		return err
	}
	sealed := &object.Checksum{Algorithm: u.algorithm.String(), Type: checksum.TypeFullObject, Value: value.String()}
	if u.composite {
		sealed.Type = checksum.TypeComposite
	}
	if len(c.chosen) == 1 {
		part, err := checksum.NewValue(u.algorithm, c.chosen[0].Checksum, 0)
		if err != nil {
			return err
		}
		sealed.PartValue = part.String()
	}
	c.meta.Checksum = sealed
	if promised == nil {
		return nil
	}
	if promised.Algorithm != u.algorithm {
		return refuse(InvalidRequest, "the checksum of the whole must be of the algorithm the upload was begun with")
	}
	if promised.Value != sealed.Value {
		return &multipart.Error{Reason: multipart.BadObject}
	}
	return nil
}

// planFailure is the one table from what is wrong with a client's list to what S3 says of it.
func planFailure(err error) error {
	if e, ok := errors.AsType[*checksum.Error](err); ok {
		return &Error{Kind: InvalidRequest, Message: e.Error(), Err: err}
	}
	e, ok := errors.AsType[*multipart.Error](err)
	if !ok {
		return err
	}
	kind := Internal
	switch e.Reason {
	case multipart.BadOrder:
		kind = InvalidPartOrder
	case multipart.BadPart, multipart.BadChecksum:
		kind = InvalidPart
	case multipart.TooSmall:
		kind = EntityTooSmall
	case multipart.TooLarge:
		kind = EntityTooLarge
	case multipart.BadSize:
		kind = InvalidRequest
	case multipart.BadObject:
		kind = ChecksumMismatch
	}
	return &Error{Kind: kind, Message: e.Error(), Err: err}
}

// admitComplete turns the client's conditions into the backend's; a condition that the backend cannot decide is refused before anything is sent.
func (s *Service) admitComplete(ctx context.Context, u *upload, c *completion, conditions *WriteConditions) (*providers.PutOptions, error) {
	caps := u.store().Capabilities()
	switch {
	case caps.MaxObject > 0 && object.CanonicalSize(c.size) > caps.MaxObject:
		return nil, refuse(EntityTooLarge, fmt.Sprintf("this backend holds objects of %d bytes at most, encryption included", caps.MaxObject))
	case conditions.IfNoneMatch && !caps.CompleteIfNoneMatch, conditions.IfMatch != "" && !caps.CompleteIfMatch:
		return nil, refuse(Unsupported, "this backend cannot complete an upload under that condition; nothing was changed")
	}
	opts := &providers.PutOptions{IfNoneMatch: conditions.IfNoneMatch}
	if conditions.IfMatch != "" {
		var err error
		if opts.IfMatch, err = s.match(ctx, u.place, conditions.IfMatch); err != nil {
			return nil, err
		}
	}
	return opts, nil
}

// assemble stores what closes the object and has the backend put it all together.
func (s *Service) assemble(ctx context.Context, u *upload, c *completion, opts *providers.PutOptions) (*providers.Info, error) {
	table, err := u.tableKey()
	if err != nil {
		return nil, err
	}
	tail, err := u.tailKey()
	if err != nil {
		return nil, err
	}
	closing, size, err := object.Trailer(u.ObjectIdentity(), table, tail, multipart.Entries(c.chosen), c.meta)
	if err != nil {
		return nil, err
	}
	var parts []providers.Part
	for _, a := range c.chosen {
		if a.Held == "" {
			parts = append(parts, providers.Part{N: a.Part, Size: object.FrameSize(a.Plain), ETag: a.BackendETag})
		}
	}
	var held watchedBody
	last := c.chosen[len(c.chosen)-1]
	if c.held {
		frame, info, err := u.store().Get(ctx, last.Held, &providers.GetOptions{})
		if providers.Is(err, providers.NotFound) {
			return nil, heldGone(last.Part, err)
		}
		if err != nil {
			return nil, err
		}
		defer func() { _ = frame.Close() }()
		if info.Size != object.FrameSize(last.Plain) {
			return nil, s.damaged(u.place, "a held part has another length than was stored; send it again", object.ErrDamaged)
		}
		if held.src, err = u.verified(frame, &last, c.customer); err != nil {
			return nil, err
		}
		closing, size = io.MultiReader(&held, closing), size+info.Size
	}
	end, err := u.store().Uploads().PutPart(ctx, u.ref(), c.closing, closing, size)
	switch {
	case err == nil:
	case held.err == nil:
		return nil, err
	case errors.Is(changed(held.err), errChanged):
		return nil, heldGone(last.Part, held.err)
	case errors.Is(held.err, object.ErrDamaged):
		return nil, s.damaged(u.place, "a held part does not verify: it was altered where it lies or on its way; nothing was changed, complete again or send the part again", held.err)
	default:
		return nil, held.err // the driver would report a body that failed, as if the client were to blame
	}
	return u.store().Uploads().Complete(ctx, u.ref(), append(parts, *end), opts)
}

// verified keeps an altered held part from going into an object that is then acknowledged. Without the customer's key the frame cannot be opened, but
// its digest is known.
func (u *upload) verified(frame io.Reader, a *multipart.Attempt, customer *CustomerKey) (io.Reader, error) {
	if u.Mode == object.ModeCustomer && customer == nil {
		return &digestedFrame{src: frame, digest: sha256.New(), want: a.HeldSHA256}, nil
	}
	secret, err := u.secret(customer)
	if err != nil {
		return nil, err
	}
	defer secret.Clear()
	return object.NewVerifiedFrame(u.ObjectIdentity(), secret, object.Frame{Part: a.Part, Plain: a.Plain, Salt: a.FrameSalt, Commitment: a.Commitment}, frame)
}

// digestedFrame yields a held frame, and ErrDamaged in place of io.EOF if it is not the one that was stored. What closes the object comes behind it, so
// that bytes which prove wrong only at the end have made no object yet.
type digestedFrame struct {
	src    io.Reader
	digest hash.Hash
	want   []byte
}

// Read implements io.Reader.
func (d *digestedFrame) Read(p []byte) (int, error) {
	n, err := d.src.Read(p)
	d.digest.Write(p[:n])
	if err == io.EOF && subtle.ConstantTimeCompare(d.digest.Sum(nil), d.want) != 1 {
		return n, object.ErrDamaged
	}
	return n, err
}

func heldGone(part int, cause error) *Error {
	return &Error{Kind: InvalidPart, Message: fmt.Sprintf("part %d is not there any more; send it again", part), Err: errors.Join(errHeldGone, cause)}
}

// completeFailure says what a failed Complete means.
func (s *Service) completeFailure(ctx context.Context, u *upload, in *CompleteInput, err error) error {
	switch {
	case errors.Is(err, errHeldGone):
		ref := in.UploadRef
		ref.Room = nil // it was granted for the first look
		_, _, notes, readErr := s.readUpload(ctx, u.place, &ref)
		switch {
		case readErr != nil:
			return readErr
		case finished(notes):
			return errNoUpload()
		}
	case providers.Is(err, providers.InvalidPart):
		return &Error{Kind: Conflict, Message: "a part was sent again, or the upload completed by another gateway, at the same moment; nothing was changed, complete it again", Err: err}
	case providers.Is(err, providers.PreconditionFailed) && in.Conditions.IfMatch != "":
		return s.overtaken(ctx, u.place, in.Conditions.IfMatch, err)
	}
	return err
}

// afterComplete notes the outcome and then drops the held parts, in this order: to other gateways a held part that is gone means that the note is
// there. The object is durable by now, so a failure here is only logged; the sweep tidies up later.
func (s *Service) afterComplete(ctx context.Context, u *upload, etag string, notes []providers.Note) {
	s.uploads.forget(u.ID)
	s.open.ended(u.bucket.Vault.Name())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	err := func() error {
		key, err := u.stateKey()
		if err != nil {
			return err
		}
		done, err := object.SealDoneNote(key, u.Upload, &object.DoneNote{ETag: etag})
		if err != nil {
			return err
		}
		err = u.store().Uploads().Note(ctx, u.ref(), providers.DoneNote, done)
		if providers.Is(err, providers.NoSuchUpload) {
			return nil // swept, or dropped by the backend with its object complete: nothing shows it any more
		}
		return err
	}()
	var attempts []multipart.Attempt
	if err == nil {
		attempts, err = s.attempts(u, notes)
	}
	for _, a := range attempts {
		if a.Held != "" {
			err = errors.Join(err, u.store().Delete(ctx, a.Held, &providers.DeleteOptions{}))
		}
	}
	if err != nil {
		s.log.Warn("leftovers of a completed upload stay until they are swept", telemetry.Vault(u.bucket.Vault.Name()), telemetry.Bucket(u.bucket.Name), telemetry.Error(err))
	}
}
