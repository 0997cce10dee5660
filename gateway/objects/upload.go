package objects

import (
	"context"
	"time"

	"sallyport/gateway/checksum"
)

// CreateUploadInput is one CreateMultipartUpload.
type CreateUploadInput struct {
	Bucket, Key string
	Principal   string // who may go on with it: the access key's principal
	Content
	Algorithm   checksum.Algorithm // zero = none asked
	Composite   bool               // checksum type COMPOSITE; else FULL_OBJECT
	CustomerKey *CustomerKey
}

// CreateUpload begins a multipart upload and returns its id.
func (s *Service) CreateUpload(ctx context.Context, in *CreateUploadInput) (uploadID string, err error) {
	uploadID, err = s.createUpload(ctx, in)
	if err != nil {
		return "", fail(in.Bucket, in.Key, err)
	}
	return uploadID, nil
}

// UploadRef names an open upload.
type UploadRef struct {
	Bucket, Key, UploadID string
	Principal             string
	Room                  Room // for what is kept of the upload, and for a part
}

// PutPartInput is one UploadPart.
type PutPartInput struct {
	UploadRef
	Number      int // 1…10000
	Size        int64
	Body        *checksum.Reader
	Algorithm   checksum.Algorithm
	CustomerKey *CustomerKey
}

// PutPart stores one part with a fresh salt.
func (s *Service) PutPart(ctx context.Context, in *PutPartInput) (*PartInfo, error) {
	out, err := s.putPart(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// CopyPartInput is one UploadPartCopy.
type CopyPartInput struct {
	UploadRef
	Number      int
	Source      CopySource
	Range       *RangeSpec // first and last both given, or nil = whole
	CustomerKey *CustomerKey
}

// CopyPart re-encrypts a range of an object as a part.
func (s *Service) CopyPart(ctx context.Context, in *CopyPartInput) (*PartInfo, error) {
	out, err := s.copyPart(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// CompletedPart is one part as the client lists it.
type CompletedPart struct {
	Number   int
	ETag     string // without quotes
	Checksum *Checksum
}

// CompleteInput is one CompleteMultipartUpload.
type CompleteInput struct {
	UploadRef
	Parts       []CompletedPart
	Checksum    *Checksum // of the whole object, if the client sent one
	Size        int64     // x-amz-mp-object-size; -1 = unsent
	CustomerKey *CustomerKey
	Conditions  WriteConditions
}

// CompleteUpload makes the listed parts the object. Called again after success it returns the same ETag.
func (s *Service) CompleteUpload(ctx context.Context, in *CompleteInput) (*PutOutput, error) {
	out, err := s.completeUpload(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// AbortInput is one AbortMultipartUpload.
type AbortInput struct {
	UploadRef
	// Anyones says that the principal may delete the key. It may then abort an upload that another principal began, and one whose first note cannot
	// be read: nobody else could remove the uploads of a principal that is no more.
	Anyones bool
}

// AbortUpload drops an upload.
func (s *Service) AbortUpload(ctx context.Context, in *AbortInput) error {
	if err := s.abortUpload(ctx, in); err != nil {
		return fail(in.Bucket, in.Key, err)
	}
	return nil
}

// ListPartsInput is one ListParts.
type ListPartsInput struct {
	UploadRef
	After, Limit int
	CustomerKey  *CustomerKey // of an upload begun with one; without it no checksums are shown
}

// ListPartsOutput is one page of an upload's parts.
type ListPartsOutput struct {
	Parts     []PartInfo
	More      bool
	Algorithm checksum.Algorithm
	Composite bool
	Initiator string
}

// ListParts lists the parts sent so far, the newest attempt of each.
func (s *Service) ListParts(ctx context.Context, in *ListPartsInput) (*ListPartsOutput, error) {
	out, err := s.listParts(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// ListUploadsInput is one ListMultipartUploads.
type ListUploadsInput struct {
	Bucket, Prefix, Delimiter, KeyMarker, UploadIDMarker string
	Limit                                                int
}

// UploadInfo is one open upload.
type UploadInfo struct {
	Key, UploadID string
	Begun         time.Time
	Initiator     string
	Algorithm     checksum.Algorithm
	Composite     bool
}

// ListUploadsOutput is one page of uploads.
type ListUploadsOutput struct {
	Uploads                         []UploadInfo
	CommonPrefixes                  []string
	More                            bool
	NextKeyMarker, NextUploadMarker string
}

// ListUploads lists the open uploads of a bucket.
func (s *Service) ListUploads(ctx context.Context, in *ListUploadsInput) (*ListUploadsOutput, error) {
	out, err := s.listUploads(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, "", err)
	}
	return out, nil
}

// SweepUploads aborts uploads completed more than 24 h ago and orphans, in every vault, and returns how many. Open uploads never expire.
func (s *Service) SweepUploads(ctx context.Context) (int, error) {
	n, err := s.sweepUploads(ctx)
	if err != nil {
		return n, fail("", "", err)
	}
	return n, nil
}
