package objects

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
	"sallyport/providers"
)

// lastPartLimit bounds part 10000, which is always held and so goes to the backend twice.
const lastPartLimit = int64(4 << 30)

func (s *Service) createUpload(ctx context.Context, in *CreateUploadInput) (string, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return "", err
	}
	defer leave()
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return "", err
	}
	note := &object.UploadNote{
		Bucket: in.Bucket, Key: in.Key, Principal: in.Principal, Headers: in.Headers, UserMetadata: in.Metadata,
		ChecksumAlgorithm: checksum.CRC64NVME.String(), ChecksumType: checksum.TypeFullObject,
	}
	if in.Algorithm != checksum.None {
		note.ChecksumAlgorithm = in.Algorithm.String()
		if in.Composite {
			note.ChecksumType = checksum.TypeComposite
		}
	}
	mode := object.ModeVault
	if in.CustomerKey != nil {
		mode = object.ModeCustomer
	}
	v := at.bucket.Vault
	id, err := v.NewIdentity(mode)
	if err != nil {
		return "", err
	}
	if mode == object.ModeCustomer {
		secret := keys.CustomerObjectSecret(*in.CustomerKey, id.Salt)
		defer secret.Clear()
		note.TableKey, note.TailKey = secret.TableKey(), secret.TailKey()
		defer note.TableKey.Clear()
		defer note.TailKey.Clear()
	}
	key, epoch, err := v.NewestStateKey()
	if err != nil {
		return "", err
	}
	id.Epoch = epoch
	uploadID, err := at.store().Uploads().Create(ctx, at.backendKey, func(uploadID string) ([]byte, error) {
		return object.SealUploadNote(key, object.Upload{Identity: id, ID: uploadID}, note)
	})
	if err != nil {
		return "", err
	}
	s.open.began(v.Name())
	return uploadID, nil
}

func (s *Service) putPart(ctx context.Context, in *PutPartInput) (*PartInfo, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return nil, err
	}
	defer leave()
	u, err := s.openUpload(ctx, &in.UploadRef)
	if err != nil {
		return nil, err
	}
	if err := u.checkPart(in.Number, in.Size); err != nil {
		return nil, err
	}
	return s.sendPart(ctx, u, in)
}

func (u *upload) checkPart(number int, size int64) error {
	caps := u.store().Capabilities()
	switch {
	case number < 1 || number > object.MaxParts:
		return refuse(InvalidArgument, "part numbers go from 1 to 10000")
	case size < 0:
		return refuse(InvalidArgument, "the size of the part must be known")
	case size > object.MaxPartSize:
		return refuse(EntityTooLarge, fmt.Sprintf("a part has at most %d bytes", object.MaxPartSize))
	case number == object.MaxParts && size > lastPartLimit:
		return refuse(EntityTooLarge, fmt.Sprintf("part %d has at most %d bytes", object.MaxParts, lastPartLimit))
	case caps.MaxPart > 0 && object.FrameSize(size) > caps.MaxPart:
		return refuse(EntityTooLarge, fmt.Sprintf("this backend holds parts of %d bytes at most, encryption included", caps.MaxPart))
	}
	return nil
}

// sendPart seals one attempt under a salt of its own, stores it, and then says so in a note: bytes without a note are as good as not sent.
func (s *Service) sendPart(ctx context.Context, u *upload, in *PutPartInput) (*PartInfo, error) {
	if err := in.Room.take(ctx, partMemory(u.store(), in.Number, in.Size)); err != nil {
		return nil, err
	}
	secret, err := u.secret(in.CustomerKey)
	if err != nil {
		return nil, err
	}
	policy, err := u.bucket.Vault.Policy()
	if err != nil {
		return nil, err
	}
	stateKey, err := u.stateKey()
	if err != nil {
		return nil, err
	}
	ownETag := policy == vault.ETagMD5 && u.Mode == object.ModeVault
	if ownETag {
		in.Body.WantMD5()
	}
	in.Body.Want(u.algorithm)
	source := &watchedBody{src: in.Body}
	frame, err := object.NewFrameReader(u.ObjectIdentity(), secret, in.Number, in.Size, source)
	if err != nil {
		return nil, err
	}
	name := attemptName(in.Number)
	note := &object.PartNote{Part: in.Number, Plain: in.Size, FrameSalt: frame.Salt(), Commitment: frame.Commitment()}
	if err := u.storeFrame(ctx, note, name, frame); err != nil {
		return nil, bodyFailure(source, err)
	}
	if err := u.finishNote(note, in.Body, ownETag); err != nil {
		return nil, err
	}
	sealed, err := object.SealPartNote(stateKey, u.Upload, note)
	if err != nil {
		return nil, err
	}
	if err := u.store().Uploads().Note(ctx, u.ref(), name, sealed); err != nil {
		if note.Held != "" {
			err = errors.Join(err, u.dropHeld(ctx, note.Held))
		}
		if providers.Is(err, providers.NoSuchUpload) {
			s.uploads.forget(u.ID)
		}
		return nil, err
	}
	return &PartInfo{Number: in.Number, Size: in.Size, ETag: note.ETag, Checksum: partChecksum(u.algorithm, note.Checksum), ModTime: wholeSeconds(s.now())}, nil
}

// attemptName is unique for each call, so that two racing attempts at one part leave two notes.
func attemptName(number int) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: the program ends when the system has no randomness
	return fmt.Sprintf("%d-%s", number, hex.EncodeToString(random[:]))
}

// isHeld reports whether a part cannot go to the backend as one before Complete.
func isHeld(number int, plain int64) bool {
	return plain < object.MinPartSize || number == object.MaxParts
}

// storeFrame streams a frame to the backend as its part, or holds it until Complete where isHeld says so: a part below the minimum can only be the
// last one, and the last one must also carry what closes the object (table and tail); behind part 10000 no number is left for that.
func (u *upload) storeFrame(ctx context.Context, note *object.PartNote, name string, frame *object.FrameReader) error {
	if isHeld(note.Part, note.Plain) {
		note.Held = heldFolder(u.ID) + name
		digest := sha256.New()
		_, err := u.store().Put(ctx, note.Held, io.TeeReader(frame, digest), frame.Size(), &providers.PutOptions{})
		if u.Mode == object.ModeCustomer {
			note.HeldSHA256 = digest.Sum(nil)
		}
		return err
	}
	part, err := u.store().Uploads().PutPart(ctx, u.ref(), note.Part, frame, frame.Size())
	if err != nil {
		return err
	}
	note.BackendETag = part.ETag
	return nil
}

// finishNote adds what is known after the body was read and verified.
func (u *upload) finishNote(note *object.PartNote, body *checksum.Reader, ownETag bool) error {
	if u.algorithm != checksum.None {
		value, ok := body.Value(u.algorithm)
		if !ok {
			return errors.New("seal part: checksum is not ready at the end of the body")
		}
		note.Checksum = value.Sum()
	}
	if !ownETag {
		note.ETag = object.OpaquePartETag(note.Commitment)
		return nil
	}
	sum, ok := body.MD5()
	if !ok {
		return errors.New("seal part: MD5 is not ready at the end of the body")
	}
	note.MD5, note.ETag = sum[:], checksum.ETag(sum)
	return nil
}

// dropHeld removes a held frame although ctx may have ended; what stays behind is swept.
func (u *upload) dropHeld(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return u.store().Delete(ctx, name, &providers.DeleteOptions{})
}

func partChecksum(algorithm checksum.Algorithm, raw []byte) *Checksum {
	value, err := checksum.NewValue(algorithm, raw, 0)
	if err != nil {
		return nil
	}
	return &Checksum{Algorithm: algorithm, Value: value.String()}
}

func (s *Service) copyPart(ctx context.Context, in *CopyPartInput) (*PartInfo, error) {
	leave, err := s.gate.enter(in.Bucket)
	if err != nil {
		return nil, err
	}
	defer leave()
	u, err := s.openUpload(ctx, &in.UploadRef)
	if err != nil {
		return nil, err
	}
	return restarting(copyOvertaken(), func() (*PartInfo, error) { return s.copyPartOnce(ctx, u, in) })
}

// badCopyRange is what S3 says of a range that does not lie wholly inside the source, where a GET would shorten it.
func badCopyRange(size int64) *Error {
	return refuse(InvalidArgument, fmt.Sprintf("Range specified is not valid for source object of size: %d", size))
}

func (s *Service) copyPartOnce(ctx context.Context, u *upload, in *CopyPartInput) (*PartInfo, error) {
	src, err := s.read(ctx, &GetInput{
		Bucket: in.Source.Bucket, Key: in.Source.Key, Range: in.Range, Conditions: in.Source.Conditions, CustomerKey: in.Source.CustomerKey,
		Room: in.Room,
	}, asSource)
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == InvalidRange {
		return nil, badCopyRange(e.ActualSize)
	}
	if err != nil {
		return nil, fail(in.Source.Bucket, in.Source.Key, err)
	}
	defer func() { _ = src.Body.Close() }()
	if r := in.Range; r != nil && (r.HasSuffix || r.Last < r.First || r.Last >= src.Size) {
		return nil, badCopyRange(src.Size)
	}
	if err := u.checkPart(in.Number, src.Length); err != nil {
		return nil, err
	}
	opts := &checksum.Options{Size: src.Length}
	if src.Length == src.Size {
		opts = promised(src)
	}
	body := checksum.NewReader(src.Body, opts)
	defer func() { _ = body.Close() }()
	part, err := s.sendPart(ctx, u, &PutPartInput{UploadRef: in.UploadRef, Number: in.Number, Size: src.Length, Body: body, CustomerKey: in.CustomerKey})
	if _, ok := errors.AsType[*checksum.Error](err); ok {
		return nil, &Error{Kind: Damaged, Message: "the source does not match its own checksum", Err: err}
	}
	return part, err
}
