package objects

import (
	"context"
	"io"
	"time"
)

// ReadConditions are the conditions of GET and HEAD and, for a source, of copies. ETags without quotes; "*" matches any.
type ReadConditions struct {
	IfMatch, IfNoneMatch               []string
	IfModifiedSince, IfUnmodifiedSince time.Time // zero = unset
}

// RangeSpec is a parsed Range header: First ≤ Last, or First with Last = -1 for "to the end", or Suffix > 0.
type RangeSpec struct {
	First, Last int64
	Suffix      int64
	HasSuffix   bool // "bytes=-0" has Suffix 0 and is unsatisfiable
}

// GetInput is one GetObject or HeadObject.
type GetInput struct {
	Bucket, Key string
	Range       *RangeSpec // nil = whole
	PartNumber  int        // 0 = none; excludes Range
	Conditions  ReadConditions
	CustomerKey *CustomerKey
}

// ObjectInfo is what an opened tail says.
type ObjectInfo struct {
	Bucket, Key string
	Content
	Size     int64 // plaintext bytes of the whole object
	ETag     string
	ModTime  time.Time
	Checksum *Checksum
	Parts    int  // number of parts if made by multipart upload, else 0
	Customer bool // sealed with a customer key
}

// GetOutput is a readable object or range. Offset and Length say which plaintext bytes Body yields. The first verified chunk is already in
// hand when Get returns. A later Read error must abort the connection. The caller closes Body.
type GetOutput struct {
	ObjectInfo
	Offset, Length int64
	Partial        bool // a range or part was asked for and is being answered (206)
	PartSize       int64
	PartChecksum   *Checksum // of the part asked for
	Body           io.ReadCloser

	revision string // the backend's name of what was read
}

// Get opens an object for reading.
func (s *Service) Get(ctx context.Context, in *GetInput) (*GetOutput, error) {
	out, err := s.read(ctx, in, withBody)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// Head is Get without a body: Body is nil.
func (s *Service) Head(ctx context.Context, in *GetInput) (*GetOutput, error) {
	out, err := s.read(ctx, in, withoutBody)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}

// PartInfo is one part of an object or an upload.
type PartInfo struct {
	Number   int
	Size     int64
	ETag     string
	Checksum *Checksum
	ModTime  time.Time // uploads only
}

// PartsInput asks for the part list of an object (GetObjectAttributes).
type PartsInput struct {
	GetInput
	After, Limit int
}

// PartsOutput is one page of an object's parts.
type PartsOutput struct {
	ObjectInfo
	PartList []PartInfo
	More     bool
}

// Parts returns an object's info and, if it was made by multipart upload, a page of its parts.
func (s *Service) Parts(ctx context.Context, in *PartsInput) (*PartsOutput, error) {
	out, err := s.parts(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, in.Key, err)
	}
	return out, nil
}
