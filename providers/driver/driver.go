// Package driver is the contract between Sallyport and a storage backend, written for those who implement one. Application code
// uses package providers, whose Store adds retries, limits and observation.
//
// A driver stores opaque bytes under opaque keys in one root (a folder, a bucket and prefix, a Drive folder). It knows no buckets of
// ours, no encryption and no S3 clients. It promises atomic replacement and durability in the backend's own terms; it does not
// promise to hide keys or sizes from the backend. What it promises is tested by drivertest, which every driver and every decorator runs.
//
// Keys are UTF-8 without NUL, 1…MaxKey bytes, compared byte by byte. A key the backend cannot hold exactly is refused with
// InvalidKey and nothing is changed: a driver never stores under an alias. Get, Head and Delete of such a key answer InvalidKey too.
// Keys below ".sallyport/" are the gateway's own; a driver treats them like any other, but for those that are Reserved: these are
// driver's files (temporaries, upload parts, notes), refused with InvalidKey and never listed.
//
// Every method may be called from many goroutines at once. Every error is an *Error, also those of a Get's reader, but for io.EOF.
// With a ctx that has ended already every method fails with Canceled before it changes anything or reads a body. Slices and readers
// handed in are not kept after the return; slices handed out are the caller's.
package driver

import (
	"context"
	"io"
	"time"
)

// Driver is one root at one backend.
type Driver interface {
	// Capabilities returns what this root can do. It does not change while the driver is open, and does no I/O.
	Capabilities() Capabilities

	// Put replaces the object at key by exactly size bytes of body. Readers see the old object or the new one, never a mixture. nil means
	// durable. On an error the old object stands; only after UnknownOutcome it may be the old or the new, whole: the answer, for every
	// change, where the backend may have carried it out and did not say so, also when ctx ended meanwhile. A body that ends early, runs
	// longer or fails makes Put fail with BadBody and body's error in the tree, and nothing is changed; use ExactBody. With a condition
	// that does not hold: PreconditionFailed, decided atomically with the write; the body may be left unread. A driver that lacks the
	// condition's capability answers Unsupported before it writes. Above MaxObject → TooLarge before the body is read. When ctx ends before
	// the commit Put fails with Canceled, also when the body fails because of it. Body is read from one goroutine and never after Put
	// returned. Put is safe to repeat with the same bytes.
	Put(ctx context.Context, key string, body io.Reader, size int64, opts *PutOptions) (*Info, error)

	// Get opens the object at key, or a range of it. The Info describes the whole object; the reader yields exactly the range, all from
	// one revision, whatever happens to key meanwhile; if the backend delivers less, Read fails with Corrupt or Unavailable, never with a
	// clean end. Absent → NotFound. IfMatch other than the present ETag → PreconditionFailed, before the range is looked at. A range that
	// begins at or after the end of a non-empty object → InvalidRange; of an empty object, only the whole (Offset and Length 0) and any
	// suffix can be read, all else is InvalidRange. The caller closes the reader, once or more often, at any point. When ctx ends, reads
	// fail with Canceled; after Close reads fail.
	Get(ctx context.Context, key string, opts *GetOptions) (io.ReadCloser, *Info, error)

	// Head returns the Info of the object at key; absent → NotFound.
	Head(ctx context.Context, key string) (*Info, error)

	// Delete removes the object at key, durably when it returns nil. Absent → nil, but with IfMatch → NotFound. IfMatch other than
	// the present ETag → PreconditionFailed, atomically; without ConditionalDelete → Unsupported, nothing changed. Safe to repeat.
	Delete(ctx context.Context, key string, opts *DeleteOptions) error

	// List returns one page of objects in ascending byte order of their keys. Cost is in proportion to the page, not the tree, as far as
	// the backend permits. A page reflects every Put and Delete that returned before List was called iff StrongList. A root with no match
	// gives an empty page and nil.
	List(ctx context.Context, opts *ListOptions) (*Page, error)

	// Uploads returns the multipart side of this root.
	Uploads() Uploads

	// Close releases what the driver holds (locks, connections). Calls under way fail or finish; later calls fail, and never with a kind
	// that says something about an object, such as NotFound. Close twice is harmless.
	Close() error
}

// Uploads assembles one object from parts sent in any order. All state lives at the backend, so that any gateway can go on with an
// upload that another one began.
//
// A note is a small record (≤ 16 KiB) sealed by the gateway and merely kept by the driver, as lp(upload id) ‖ lp(key) ‖ note at
// .sallyport/uploads/<hex sha256(upload id)>/<name>. Names: "0" for the upload itself, "<n>-<16 random hex>" for an attempt at a part,
// "done" after Complete. An upload whose "0" is empty is a split PUT of Store's own: swept when old, never listed.
type Uploads interface {
	// Create begins an upload for key. It calls note with the new id and stores what that returns as note "0", durably, before it
	// returns. With a nil note the upload is a split PUT. An error of note comes back in the tree; above 16 KiB → TooLarge. On an error
	// nothing remains but what a sweep removes; a repeated Create calls note again, with another id. Ids are never used twice, hold only
	// UTF-8 without NUL and are ≤ 1 KiB.
	Create(ctx context.Context, key string, note func(uploadID string) ([]byte, error)) (uploadID string, err error)

	// PutPart stores exactly size bytes of body as part n (1…10000), durably, replacing an earlier part n atomically. The body rules are
	// those of Put; above MaxPart → TooLarge. The returned ETag names exactly these bytes: Complete with an ETag that is no longer the part's
	// fails with InvalidPart (sent again with equal bytes a part may have the ETag it had). On an error the earlier part n stands. Unknown,
	// aborted or completed upload → NoSuchUpload. Safe to repeat with the same bytes.
	PutPart(ctx context.Context, up Upload, n int, body io.Reader, size int64) (*Part, error)

	// CopyPart is PutPart with length bytes at off of the object src as they are, if src still has the ETag ifMatch (else
	// PreconditionFailed; "" = any). Absent src → NotFound; a range that is not wholly inside src → InvalidRange. Without the capability →
	// Unsupported.
	CopyPart(ctx context.Context, up Upload, n int, src string, off, length int64, ifMatch string) (*Part, error)

	// Note stores a record beside the upload, durably, replacing one of the same name, also after Complete. Above 16 KiB → TooLarge. Names
	// keep ValidNoteName. For an upload that is unknown or aborted it answers NoSuchUpload or stores the note all the same, as an abort that
	// runs at the same time would leave it: Read, Stale and Abort then know the upload.
	Note(ctx context.Context, up Upload, name string, note []byte) error

	// Read returns the parts in ascending order and all notes in byte order of their names. Unknown upload without any note, or one of
	// another key → NoSuchUpload. After Complete the parts are empty and the notes are still there, "done" among them if it was written; an
	// upload that the backend dropped by itself, as S3 does by a rule of the bucket and MinIO after a day, looks the same without "done".
	Read(ctx context.Context, up Upload) (parts []Part, notes []Note, err error)

	// Complete makes the listed parts, concatenated in the order given (ascending numbers), the object at the upload's key: atomic and
	// durable like Put, with the same conditions. Parts not listed are dropped. A listed part that is absent or has another ETag →
	// InvalidPart, and so is a part but the last that is below MinPart or breaks EqualParts; a whole above MaxObject → TooLarge. After any
	// error but UnknownOutcome the upload stays open and nothing is changed. Unknown, aborted or completed → NoSuchUpload: an upload ends
	// only after its object is durable. Where several of these hold, any may be the answer. Parts bear the Size that PutPart or Read told,
	// of which Info.Size may be the sum. Deletes no note.
	Complete(ctx context.Context, up Upload, parts []Part, opts *PutOptions) (*Info, error)

	// Abort drops parts and notes. Of an unknown or aborted upload → NoSuchUpload; of a completed one it removes the notes and answers nil,
	// and the object stays.
	Abort(ctx context.Context, up Upload) error

	// List returns the open uploads (those with a note "0" that is not empty, and no "done", so also one completed before its "done" was
	// written), in byte order of key, then of id, with their first notes. ListOptions.After is a key; uploads of that very key are listed only with an UploadAfter they come after.
	List(ctx context.Context, opts *ListUploadsOptions) (*UploadPage, error)

	// Stale returns every upload begun before the given time, split PUTs and completed ones included, in no order: what a sweep looks at.
	Stale(ctx context.Context, before time.Time) ([]StaleUpload, error)
}

// Capabilities says what a root can do. An ability is a value here plus Unsupported, never an optional interface, because a
// decorator would lose it.
type Capabilities struct {
	PutIfNoneMatch, PutIfMatch           bool // atomic at Put
	CompleteIfNoneMatch, CompleteIfMatch bool // atomic at Uploads.Complete
	ConditionalDelete                    bool // Delete with IfMatch
	StrongList                           bool // lists reflect every finished change
	SeenIsDurable                        bool // what a read shows will last, also if its write ended with UnknownOutcome; never for a bare file system
	CopyPart                             bool
	EqualParts                           bool // all parts but the last must have one size
	Versions, ObjectLock                 bool
	MinPart, MaxPart                     int64 // bytes; MinPart binds all parts but the last
	MaxObject                            int64 // bytes
	SplitAbove                           int64 // Store sends larger bodies in parts, and Put may call them TooLarge; 0 = never
	MaxKey                               int   // bytes
}

// Info describes a stored object. ETag is the driver's opaque revision: it changes with every write of the key, also with equal bytes,
// unless the driver's documentation says that it is a hash of them, as on S3; what must be told apart there must differ in its bytes.
// ModTime is the backend's, exact to the second or better; what Put and Complete say of it may be off by a little where the backend
// does not tell, so who needs it asks Head.
type Info struct {
	Key       string
	Size      int64
	ETag      string
	ModTime   time.Time
	VersionID string
}

// PutOptions are the conditions of a write; never nil. At most one is set.
type PutOptions struct {
	IfNoneMatch bool   // only if the key holds no object
	IfMatch     string // only if the key holds an object with this ETag; absent → NotFound
}

// GetOptions choose what Get reads; never nil. The zero value is the whole object.
type GetOptions struct {
	Offset  int64  // first byte, ≥ 0
	Length  int64  // bytes; 0 = to the end; more than there is = to the end
	Suffix  int64  // when > 0: the last Suffix bytes or the whole object if it is shorter; Offset and Length are then 0
	IfMatch string // "" = any
}

// DeleteOptions are the conditions of a delete; never nil.
type DeleteOptions struct {
	IfMatch string // "" = any
}

// ListOptions choose a page; never nil.
type ListOptions struct {
	Prefix    string // "" = all
	Delimiter string // "" = no grouping; else keys that hold it wholly after Prefix are grouped into prefixes that end with its first occurrence
	After     string // only entries greater than this; a common prefix counts as the string it is, and is left out if After begins with it
	Limit     int    // entries, objects and prefixes together; 1…1000; 0 = 1000
}

// Entry is an object or a common prefix in a page.
type Entry struct {
	Prefix string // set for a common prefix; Info is then empty
	Info
}

// Name returns the key or the prefix, by which a page is sorted.
func (e *Entry) Name() string {
	if e.Prefix != "" {
		return e.Prefix
	}
	return e.Key
}

// Page is one page of a listing in ascending byte order of Name. More says whether another page follows; it begins After the last
// entry's Name.
type Page struct {
	Entries []Entry
	More    bool
}

// Upload names an upload by id and key; both are needed, as in S3.
type Upload struct {
	ID, Key string
}

// Part is one stored part.
type Part struct {
	N       int
	Size    int64
	ETag    string
	ModTime time.Time
}

// Note is one stored note.
type Note struct {
	Name    string
	Data    []byte
	ModTime time.Time
}

// ListUploadsOptions choose a page of uploads; never nil.
type ListUploadsOptions struct {
	Prefix      string // of the key
	After       string // key marker
	UploadAfter string // with After: the id within that key after which to go on; "" = skip that key
	Limit       int    // 1…1000; 0 = 1000
}

// OpenUpload is an upload in a page, with its note "0".
type OpenUpload struct {
	Upload
	Note Note
}

// UploadPage is one page of open uploads.
type UploadPage struct {
	Uploads []OpenUpload
	More    bool
}

// StaleUpload is what a sweep decides by.
type StaleUpload struct {
	Upload
	Begun    time.Time
	Done     time.Time // zero = there is no note "done"
	Closed   bool      // takes no parts any more: completed, or dropped by the backend, whether or not "done" says so
	SplitPut bool
}
