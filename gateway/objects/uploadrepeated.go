package objects

import (
	"context"
	"encoding/hex"
	"errors"

	"sallyport/crypto/object"
	"sallyport/providers"
)

// errOtherParts marks that the upload was completed with other parts than are listed now.
var errOtherParts = errors.New("completed with other parts")

// alreadyCompleted answers a repeated Complete. If the object at the key bears the upload's salt, it is the one that this upload made, and the answer
// is its ETag, as in the first call: a salt is sealed into one object only, and nobody without the key can make a tail that bears it.
//
// The results are an answer; or neither answer nor error, if the object that is there is not this upload's; or an error, if nobody could look, or if
// the object was made of other parts than are listed now (errOtherParts): the client must not take it for what it asks for.
func (s *Service) alreadyCompleted(ctx context.Context, u *upload, in *CompleteInput) (*PutOutput, error) {
	end, info, err := readEnd(ctx, u.place, object.TailSize+object.TableSize(len(in.Parts)), "")
	if providers.Is(err, providers.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ahead, tail := end[:max(0, len(end)-object.TailSize)], end[max(0, len(end)-object.TailSize):]
	id, err := object.ParseTailHeader(tail)
	if err != nil || id != u.ObjectIdentity() {
		return nil, nil //nolint:nilerr // another object, or nobody's.
	}
	key, err := u.tailKey()
	if err != nil {
		return nil, err
	}
	meta, err := object.OpenTail(tail, key)
	if err != nil || meta.Bucket != u.bucket.Name || meta.Key != u.key {
		return nil, nil //nolint:nilerr // it only looks like this upload's.
	}
	same, err := u.madeOf(ahead, meta, in.Parts)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, &Error{Kind: InvalidPart, Message: "the upload is completed already, with other parts than are listed now; nothing was changed", Err: errOtherParts}
	}
	policy, err := u.bucket.Vault.Policy()
	if err != nil {
		return nil, err
	}
	return &PutOutput{ETag: shownETag(policy, id.Mode, meta.ETag, info.ETag), Checksum: shownChecksum(meta), ModTime: wholeSeconds(info.ModTime), inTail: meta.ETag}, nil
}

// madeOf reports whether the completed object was made of the listed parts. ahead ends with the table, if there is one. Of an object of one
// part only the number is known.
func (u *upload) madeOf(ahead []byte, meta *object.Metadata, listed []CompletedPart) (bool, error) {
	switch {
	case meta.Frames != len(listed):
		return false, nil
	case meta.Frames == 1:
		return meta.PartNumber != nil && *meta.PartNumber == listed[0].Number, nil
	}
	key, err := u.tableKey()
	if err != nil {
		return false, err
	}
	size := int(object.TableSize(meta.Frames))
	if len(ahead) < size {
		return false, nil
	}
	table, err := object.OpenTable(u.ObjectIdentity(), key, meta, ahead[len(ahead)-size:])
	if err != nil {
		return false, err
	}
	for i, e := range table {
		if e.Part != listed[i].Number || entryETag(&e) != listed[i].ETag {
			return false, nil
		}
	}
	return true, nil
}

// entryETag is the ETag that the client was given for a part.
func entryETag(e *object.Entry) string {
	if e.HasMD5 {
		return hex.EncodeToString(e.MD5[:])
	}
	return object.OpaquePartETag(e.Commitment)
}

// completedAllTheSame looks whether the object is there although Complete failed, where the backend's answer leaves that open: its answer may have
// got lost, or another gateway may have completed the upload first. Where an object that is seen need not last (SeenIsDurable is false), only an
// upload that is gone proves anything, because drivers end an upload after its object is durable and never before. An error says that the upload is
// gone and that nobody could find out what became of it.
func (s *Service) completedAllTheSame(ctx context.Context, u *upload, in *CompleteInput, err error) (*PutOutput, error) {
	// A held part that is gone proves as much: held parts are removed only after the note which says that the object is durable.
	if errors.Is(err, errHeldGone) || providers.Is(err, providers.NoSuchUpload) {
		return s.alreadyCompleted(ctx, u, in)
	}
	if !u.store().Capabilities().SeenIsDurable {
		return nil, nil
	}
	for _, k := range []providers.Kind{providers.UnknownOutcome, providers.InvalidPart, providers.PreconditionFailed} {
		if providers.Is(err, k) {
			out, _ := s.alreadyCompleted(ctx, u, in) // nobody could look: the backend's own answer says enough
			return out, nil
		}
	}
	return nil, nil
}
