package objects

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
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
	HasSuffix   bool            // "bytes=-0" has Suffix 0 and is unsatisfiable
	If          *RangeCondition // nil = unconditional
}

// RangeCondition is an If-Range header: of an object with another ETag or another time the whole is sent instead of the range, so that a client
// that has a part of the old object does not join it to a part of the new one. A condition with neither never holds.
type RangeCondition struct {
	ETag    string // without quotes
	ModTime time.Time
}

func (c *RangeCondition) holds(etag string, modified time.Time) bool {
	return c == nil || c.ETag != "" && c.ETag == etag || !c.ModTime.IsZero() && c.ModTime.Equal(wholeSeconds(modified))
}

// GetInput is one GetObject or HeadObject.
type GetInput struct {
	Bucket, Key string
	Range       *RangeSpec // nil = whole
	PartNumber  int        // 0 = none; excludes Range
	Conditions  ReadConditions
	CustomerKey *CustomerKey
	Room        Room // for the table of an object of many parts
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

// A file of up to smallFile bytes, such as that of an object of 64 KiB with its padding, is read in one request and held in memory. The last lastRead
// bytes of a larger one hold its tail and, when there are not many parts, its table.
const (
	smallFile = 80 << 10
	lastRead  = 16 << 10
	fromStart = 0
)

// firstRead says how many bytes of a file's end are read first, or fromStart for a read that begins with the file's first byte. Only a plain read of
// the whole object begins so: ranges are mostly asked of large objects, and a condition may make the body needless.
func (in *GetInput) firstRead(why purpose) int64 {
	switch {
	case why == withoutBody && in.PartNumber == 0:
		return object.TailSize
	case why == withoutBody, in.partial():
		return lastRead
	case in.Conditions.any():
		return smallFile
	}
	return fromStart
}

// partial reports that a part of the object is asked for.
func (in *GetInput) partial() bool { return in.Range != nil || in.PartNumber > 0 }

// purpose says what a read is for.
type purpose int

const (
	withBody purpose = iota
	withoutBody
	asSource // a copy's source: with body, and conditions answer PreconditionFailed only
)

// read opens a revision and, unless there is to be no body, its bytes. When the object changes underneath it starts again.
func (s *Service) read(ctx context.Context, in *GetInput, why purpose) (*GetOutput, error) {
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	if out, decided, err := s.readKnown(ctx, at, in, why); decided {
		return out, err
	}
	return restarting(readOvertaken(), func() (*GetOutput, error) { return s.readOnce(ctx, at, in, why) })
}

func (s *Service) readOnce(ctx context.Context, at *place, in *GetInput, why purpose) (*GetOutput, error) {
	r, err := s.openRevision(ctx, at, in.CustomerKey, in.firstRead(why))
	if err != nil {
		return nil, err
	}
	defer r.close()
	out, err := s.answer(ctx, r, in, why)
	if err == nil && (why == withoutBody || in.partial()) {
		s.ends.remember(r)
	}
	return out, err
}

// answer reads of an opened revision what is asked for, if the conditions hold.
func (s *Service) answer(ctx context.Context, r *storedRevision, in *GetInput, why purpose) (out *GetOutput, err error) {
	s.remember(r.place, r.info.ETag, r.id.Mode, r.meta.ETag)
	if err := in.Conditions.check(r.etag, r.info.ModTime, why == asSource); err != nil {
		return nil, err
	}
	out = &GetOutput{ObjectInfo: r.describe(), Length: r.meta.Plain, revision: r.info.ETag}
	var layout *object.Layout
	if why != withoutBody || in.PartNumber > 0 {
		var table []object.Entry
		if layout, table, err = s.layout(ctx, r, in.Room); err != nil {
			return nil, err
		}
		if in.PartNumber > 0 {
			if err := out.choosePart(r, layout, table, in.PartNumber); err != nil {
				return nil, err
			}
		}
	}
	if in.Range != nil && in.Range.If.holds(r.etag, r.info.ModTime) {
		if err := out.chooseRange(in.Range); err != nil {
			return nil, err
		}
	}
	if why == withoutBody {
		return out, nil
	}
	if out.Body, err = s.openBody(ctx, r, layout, out.Offset, out.Length); err != nil {
		return nil, err
	}
	return out, nil
}

// remember keeps the ETag of a tail for LIST, if the vault's policy makes LIST ask for it.
func (s *Service) remember(at *place, backendETag string, mode object.Mode, inTail string) {
	policy, err := at.bucket.Vault.Policy()
	if err != nil || policy != vault.ETagMD5 {
		return
	}
	if view, err := s.view(at.bucket.Vault); err == nil {
		rememberTail(view, at.backendKey, backendETag, mode, inTail)
	}
}

func (r *storedRevision) describe() ObjectInfo {
	i := ObjectInfo{
		Bucket: r.bucket.Name, Key: r.key, Size: r.meta.Plain, ETag: r.etag, ModTime: wholeSeconds(r.info.ModTime),
		Content:  Content{Headers: r.meta.Headers, Metadata: r.meta.UserMetadata},
		Customer: r.id.Mode == object.ModeCustomer,
	}
	i.Checksum = shownChecksum(r.meta)
	if r.meta.Frames > 1 || r.meta.PartNumber != nil && *r.meta.PartNumber > 0 {
		i.Parts = r.meta.Frames
	}
	return i
}

// shownChecksum is the whole object's checksum; nil if it has none, or one this version does not know.
func shownChecksum(m *object.Metadata) *Checksum {
	if m.Checksum == nil {
		return nil
	}
	a, err := checksum.ParseAlgorithm(m.Checksum.Algorithm)
	if err != nil {
		return nil
	}
	return &Checksum{Algorithm: a, Composite: m.Checksum.Type == checksum.TypeComposite, Value: m.Checksum.Value}
}

// choosePart makes the answer the one part asked for.
func (o *GetOutput) choosePart(r *storedRevision, layout *object.Layout, table []object.Entry, number int) error {
	f, ok := layout.Part(number)
	if !ok {
		e := refuse(InvalidRange, "the object has no part of this number")
		e.ActualSize = r.meta.Plain
		return e
	}
	o.Offset, o.Length, o.PartSize = f.PlainOffset, f.Plain, f.Plain
	o.Partial = f.Plain > 0 // no range describes nothing
	for i := range table {
		if table[i].Part == number {
			o.PartChecksum = entryChecksum(&table[i], r.meta)
		}
	}
	if len(table) == 0 {
		o.PartChecksum = onlyPartChecksum(r.meta)
	}
	return nil
}

func entryChecksum(e *object.Entry, m *object.Metadata) *Checksum {
	if len(e.Checksum) == 0 || m.Checksum == nil {
		return nil
	}
	a, err := checksum.ParseAlgorithm(m.Checksum.Algorithm)
	if err != nil {
		return nil
	}
	return &Checksum{Algorithm: a, Value: base64.StdEncoding.EncodeToString(e.Checksum)}
}

// onlyPartChecksum is that of the part of an object of one frame. After a plain PUT the object is the part.
func onlyPartChecksum(m *object.Metadata) *Checksum {
	c := shownChecksum(m)
	switch {
	case c == nil:
		return nil
	case m.Checksum.PartValue != "":
		return &Checksum{Algorithm: c.Algorithm, Value: m.Checksum.PartValue}
	case c.Composite:
		return nil
	}
	return c
}

// chooseRange narrows the answer to a range of the whole object.
func (o *GetOutput) chooseRange(spec *RangeSpec) error {
	off, length, ok := spec.within(o.Size)
	if !ok {
		e := refuse(InvalidRange, fmt.Sprintf("the range does not overlap the object's %d bytes", o.Size))
		e.ActualSize = o.Size
		return e
	}
	o.Offset, o.Length, o.Partial = off, length, true
	return nil
}

// within resolves a range against a size; false when nothing of the object is in it. Of an empty object nothing is.
func (r *RangeSpec) within(size int64) (off, length int64, ok bool) {
	switch {
	case r.HasSuffix:
		length = min(r.Suffix, size)
		return size - length, length, length > 0
	case r.First < 0 || r.First >= size || r.Last >= 0 && r.Last < r.First:
		return 0, 0, false
	case r.Last < 0:
		return r.First, size - r.First, true
	}
	return r.First, min(r.Last, size-1) - r.First + 1, true
}

// parts reads the part list of an object.
func (s *Service) parts(ctx context.Context, in *PartsInput) (*PartsOutput, error) {
	at, err := s.locate(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	return restarting(readOvertaken(), func() (*PartsOutput, error) { return s.partsOnce(ctx, at, in) })
}

func (s *Service) partsOnce(ctx context.Context, at *place, in *PartsInput) (*PartsOutput, error) {
	r, err := s.openRevision(ctx, at, in.CustomerKey, lastRead)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := in.Conditions.check(r.etag, r.info.ModTime, false); err != nil {
		return nil, err
	}
	out := &PartsOutput{ObjectInfo: r.describe()}
	if out.Parts == 0 {
		return out, nil
	}
	layout, table, err := s.layout(ctx, r, in.Room)
	if err != nil {
		return nil, err
	}
	for i, f := range layout.Frames() {
		if f.Part <= in.After {
			continue
		}
		if len(out.PartList) >= in.Limit {
			out.More = true
			break
		}
		part := PartInfo{Number: f.Part, Size: f.Plain, ETag: object.OpaquePartETag(f.Commitment), ModTime: out.ModTime}
		if len(table) > 0 {
			if table[i].HasMD5 {
				part.ETag = hex.EncodeToString(table[i].MD5[:])
			}
			part.Checksum = entryChecksum(&table[i], r.meta)
		} else {
			part.Checksum = onlyPartChecksum(r.meta)
		}
		out.PartList = append(out.PartList, part)
	}
	return out, nil
}
