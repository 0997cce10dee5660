package objects

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// CustomerKey is a key the client sent with the request (SSE-C). It is never stored, logged or forwarded.
type CustomerKey = keys.CustomerKey

// WriteConditions make a write conditional; at most one is set. They are decided atomically by the backend or the write is refused with Unsupported.
type WriteConditions struct {
	IfNoneMatch bool   // If-None-Match: *
	IfMatch     string // an ETag as clients see it, without quotes
}

// Content is what a client says of an object besides its bytes. Names are lower-case; values raw bytes.
type Content struct {
	Headers  map[string]string // content-type, cache-control, content-disposition, content-encoding, content-language, expires
	Metadata map[string]string // user metadata without the x-amz-meta- prefix
}

// Checksum is an S3 checksum as clients see it: Value is base64, with -N when composite.
type Checksum struct {
	Algorithm checksum.Algorithm
	Composite bool
	Value     string
}

// PutInput is one PutObject.
type PutInput struct {
	Bucket, Key string
	Content
	Size        int64              // plaintext bytes, exact
	Body        *checksum.Reader   // verifies what the client promised before it says io.EOF; its digests feed ETag and checksum
	Algorithm   checksum.Algorithm // stored checksum; the zero value = none asked, then CRC64NVME is computed as AWS does
	CustomerKey *CustomerKey
	Conditions  WriteConditions
	Room        Room
}

// PutOutput is what the answer shows.
type PutOutput struct {
	ETag     string // without quotes
	Checksum *Checksum
	ModTime  time.Time

	inTail string // the ETag that the tail of a completed upload's object holds
}

// Put seals and stores one object. It returns only after the backend called it durable and the client's digests matched.
func (s *Service) Put(ctx context.Context, in *PutInput) (*PutOutput, error) {
	out, err := s.put(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// ParseCustomerKey takes the 32 raw bytes of a customer's key. The error never repeats them.
func ParseCustomerKey(raw []byte) (*CustomerKey, error) {
	key, err := keys.ParseCustomerKey(raw)
	if err != nil {
		return nil, refuse(InvalidArgument, "a customer key must have 32 bytes")
	}
	return &key, nil
}

// MaxPutSize is S3's limit on an object sent or copied in one request, in plaintext bytes.
const MaxPutSize = int64(5 << 30)

func (s *Service) put(ctx context.Context, in *PutInput) (*PutOutput, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return nil, err
	}
	defer leave()
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	w := &write{place: at, content: in.Content, size: in.Size, body: in.Body, algorithm: in.Algorithm, customer: in.CustomerKey, room: in.Room}
	opts, err := s.admit(ctx, w, &in.Conditions)
	if err != nil {
		return nil, err
	}
	out, err := s.sealAndStore(ctx, w, opts)
	if providers.Is(err, providers.PreconditionFailed) && in.Conditions.IfMatch != "" {
		return nil, s.overtaken(ctx, at, in.Conditions.IfMatch, err)
	}
	return out, err
}

// write is one object on its way to the backend.
type write struct {
	*place
	content   Content
	size      int64
	body      *checksum.Reader
	algorithm checksum.Algorithm
	customer  *CustomerKey
	room      Room
}

// metadata is what the tail says that is known before the body.
func (w *write) metadata() *object.Metadata {
	return &object.Metadata{Bucket: w.bucket.Name, Key: w.key, Headers: w.content.Headers, UserMetadata: w.content.Metadata}
}

// admit checks everything that can be checked before the body is read, and turns the client's conditions into the backend's. Nothing is
// asked of the backend before sizes and metadata fit.
func (s *Service) admit(ctx context.Context, w *write, c *WriteConditions) (*providers.PutOptions, error) {
	caps := w.store().Capabilities()
	switch {
	case w.size < 0:
		return nil, refuse(InvalidArgument, "the size of the object must be known")
	case w.size > MaxPutSize:
		return nil, refuse(EntityTooLarge, "an object of more than 5 GiB needs a multipart upload")
	case caps.MaxObject > 0 && object.CanonicalSize(w.size) > caps.MaxObject:
		return nil, refuse(EntityTooLarge, fmt.Sprintf("this backend holds objects of %d bytes at most, encryption included", caps.MaxObject))
	}
	if err := w.metadata().CheckBudget(); err != nil {
		return nil, err
	}
	if err := c.check(caps, object.CanonicalSize(w.size)); err != nil {
		return nil, err
	}
	opts := &providers.PutOptions{IfNoneMatch: c.IfNoneMatch}
	if c.IfMatch != "" {
		var err error
		if opts.IfMatch, err = s.match(ctx, w.place, c.IfMatch); err != nil {
			return nil, err
		}
	}
	return opts, w.room.take(ctx, objectMemory(w.store(), w.size))
}

// match compares a write's If-Match with the object that is there and returns the backend's name of that revision, so that the backend
// can decide the same condition atomically.
func (s *Service) match(ctx context.Context, at *place, want string) (revision string, err error) {
	etag, revision, err := s.current(ctx, at, want)
	if err != nil {
		return "", err
	}
	if !matches(want, etag) {
		return "", refuse(PreconditionFailed, "the object's ETag does not match")
	}
	return revision, nil
}

// overtaken says why the backend refused a revision that match had found right a moment before. By now the ETag is another one, or the object is
// gone, or it was written again with the same content: then the answer is Conflict, because only the client can know what that means.
func (s *Service) overtaken(ctx context.Context, at *place, want string, cause error) error {
	if _, err := s.match(ctx, at, want); err != nil {
		return err
	}
	return &Error{Kind: Conflict, Message: "a concurrent change got in between; nothing was changed", Err: cause}
}

// current returns the ETag that clients see now, and the backend's. Which ETag a customer's object has is known without its key.
func (s *Service) current(ctx context.Context, at *place, want string) (etag, revision string, err error) {
	policy, err := at.bucket.Vault.Policy()
	if err != nil {
		return "", "", err
	}
	if policy != vault.ETagMD5 || want == "*" {
		info, err := at.store().Head(ctx, at.backendKey)
		if err != nil {
			return "", "", err
		}
		return object.OpaqueETag(info.ETag), info.ETag, nil
	}
	end, info, err := readEnd(ctx, at, object.TailSize, "")
	if err != nil {
		return "", "", err
	}
	if id, err := object.ParseTailHeader(end); err == nil && id.Mode == object.ModeCustomer {
		return object.OpaqueETag(info.ETag), info.ETag, nil
	}
	r := &storedRevision{place: at, info: info, end: end}
	if err := r.openTail(ctx, nil); err != nil {
		return "", "", s.explain(ctx, r, err)
	}
	return shownETag(policy, r.id.Mode, r.meta.ETag, info.ETag), info.ETag, nil
}

// sealAndStore seals the body and hands it to the backend.
func (s *Service) sealAndStore(ctx context.Context, w *write, opts *providers.PutOptions) (*PutOutput, error) {
	v := w.bucket.Vault
	id, secret, err := newSecret(v, w.customer)
	if err != nil {
		return nil, err
	}
	policy, err := v.Policy()
	if err != nil {
		return nil, err
	}
	ownETag := policy == vault.ETagMD5 && id.Mode == object.ModeVault
	if w.algorithm == checksum.None {
		w.algorithm = checksum.CRC64NVME
	}
	if ownETag {
		w.body.WantMD5()
	}
	w.body.Want(w.algorithm)
	meta := w.metadata()
	source := &watchedBody{src: w.body}
	sealed, err := object.NewObjectReader(id, secret, w.size, source, func() (*object.Metadata, error) {
		return meta, s.complete(meta, w, ownETag)
	})
	if err != nil {
		return nil, err
	}
	info, err := w.store().Put(ctx, w.backendKey, sealed, sealed.Size(), opts)
	if err != nil {
		return nil, bodyFailure(source, err)
	}
	s.remember(w.place, info.ETag, id.Mode, meta.ETag)
	return &PutOutput{ETag: shownETag(policy, id.Mode, meta.ETag, info.ETag), Checksum: shownChecksum(meta), ModTime: wholeSeconds(info.ModTime)}, nil
}

// newSecret draws what a new object is sealed with.
func newSecret(v *vaults.Vault, customer *CustomerKey) (id object.Identity, secret keys.ObjectSecret, err error) {
	if customer != nil {
		if id, err = v.NewIdentity(object.ModeCustomer); err == nil {
			secret = keys.CustomerObjectSecret(*customer, id.Salt)
		}
		return id, secret, err
	}
	if id, err = v.NewIdentity(object.ModeVault); err != nil {
		return id, secret, err
	}
	if secret, err = v.ObjectSecret(id); err != nil {
		return id, secret, err
	}
	// A vault that was locked meanwhile has cleared the key that the secret comes from, perhaps before it was derived.
	_, err = v.ID()
	return id, secret, err
}

// complete adds to the tail what is known after the body was read and verified.
func (s *Service) complete(meta *object.Metadata, w *write, ownETag bool) error {
	value, ok := w.body.Value(w.algorithm)
	if !ok {
		return errors.New("seal object: checksum is not ready at the end of the body")
	}
	meta.Checksum = &object.Checksum{Algorithm: w.algorithm.String(), Type: checksum.TypeFullObject, Value: value.String()}
	if ownETag {
		sum, ok := w.body.MD5()
		if !ok {
			return errors.New("seal object: MD5 is not ready at the end of the body")
		}
		meta.ETag = hex.EncodeToString(sum[:])
	}
	meta.Time = s.now()
	return nil
}

// watchedBody remembers how the body failed: layers below may wrap that error in their own or lose it.
type watchedBody struct {
	src io.Reader
	err error
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// bodyFailure turns the error of a write into one about the request's body, if it was the body that failed and not the backend. The body's own error
// stays in the tree, because it may be of a type that only the caller knows.
func bodyFailure(body *watchedBody, err error) error {
	cause := body.err
	if cause == nil {
		if e, ok := errors.AsType[*providers.Error](err); ok && e.Kind != providers.BadBody {
			return err // the backend's failure: its answer, cut short, ends with io.ErrUnexpectedEOF just as a cut body does
		}
		if !errors.Is(err, object.ErrTooLong) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		cause = err
	}
	if _, ok := errors.AsType[*Error](cause); ok {
		return cause // the body is an object of ours, being copied
	}
	e := &Error{Kind: IncompleteBody, Message: "the request body ended early or failed", Err: cause}
	if c, ok := errors.AsType[*checksum.Error](cause); ok {
		e.Kind, e.Message = checksumKind(c.Reason), c.Message
	}
	return e
}

func checksumKind(r checksum.Reason) Kind {
	switch r {
	case checksum.BadContentMD5, checksum.PayloadSHA256Mismatch:
		return BadDigest
	case checksum.ChecksumMismatch:
		return ChecksumMismatch
	case checksum.Incomplete, checksum.TooLong:
		return IncompleteBody
	case checksum.InvalidContentMD5, checksum.InvalidValue, checksum.UnknownAlgorithm, checksum.UnsupportedAlgorithm, checksum.MultipleChecksums,
		checksum.AlgorithmConflict, checksum.MissingChecksum, checksum.InvalidTrailer, checksum.InvalidType:
	}
	return InvalidRequest
}
