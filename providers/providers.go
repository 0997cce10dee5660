// Package providers is how the gateway uses a storage backend: Store, one concrete type over any driver.Driver, and the Registry that
// makes drivers by name.
//
// A Store promises what the driver contract promises, and beyond it: arguments are validated before the backend sees them, errors carry
// the provider's name, passing failures are retried within a budget, reads go on behind the caller's back after a cut, large bodies go
// in parts where the backend wants that, and concurrency is bounded. It promises neither that a write of a body which cannot rewind
// survives a failure of the backend, nor that an UnknownOutcome is always cleared up: where it cannot be proved what happened, the
// kind says so.
//
// The decorators are composed in Open and nowhere else: Observe(Retry(SingleGateway(Limit(driver)))).
package providers

import "sallyport/providers/driver"

// Error is the only error type that leaves a Store.
type Error = driver.Error

// What a Store takes and returns is the contract's own vocabulary; package driver says all about it.
type (
	// Kind classifies an Error.
	Kind = driver.Kind
	// Capabilities say what a root can do.
	Capabilities = driver.Capabilities
	// Info describes a stored object.
	Info = driver.Info
	// PutOptions are the conditions of a write.
	PutOptions = driver.PutOptions
	// GetOptions choose what Get reads.
	GetOptions = driver.GetOptions
	// DeleteOptions are the conditions of a delete.
	DeleteOptions = driver.DeleteOptions
	// ListOptions choose a page of a listing.
	ListOptions = driver.ListOptions
	// Entry is an object or a common prefix in a Page.
	Entry = driver.Entry
	// Page is one page of a listing.
	Page = driver.Page
	// Uploads is the multipart side of a root.
	Uploads = driver.Uploads
	// Upload names an upload by id and key.
	Upload = driver.Upload
	// Part is one stored part.
	Part = driver.Part
	// Note is a small record beside an upload.
	Note = driver.Note
	// ListUploadsOptions choose a page of uploads.
	ListUploadsOptions = driver.ListUploadsOptions
	// OpenUpload is an upload in a page.
	OpenUpload = driver.OpenUpload
	// UploadPage is one page of open uploads.
	UploadPage = driver.UploadPage
	// StaleUpload is what a sweep decides by.
	StaleUpload = driver.StaleUpload
)

// The kinds, as package driver describes them.
const (
	Internal           = driver.Internal
	NotFound           = driver.NotFound
	PreconditionFailed = driver.PreconditionFailed
	Conflict           = driver.Conflict
	InvalidKey         = driver.InvalidKey
	InvalidRange       = driver.InvalidRange
	TooLarge           = driver.TooLarge
	NoSuchUpload       = driver.NoSuchUpload
	InvalidPart        = driver.InvalidPart
	Unsupported        = driver.Unsupported
	Unauthenticated    = driver.Unauthenticated
	Denied             = driver.Denied
	Throttled          = driver.Throttled
	Unavailable        = driver.Unavailable
	UnknownOutcome     = driver.UnknownOutcome
	NoSpace            = driver.NoSpace
	ReadOnly           = driver.ReadOnly
	Corrupt            = driver.Corrupt
	Canceled           = driver.Canceled
	BadBody            = driver.BadBody
)

// Is reports whether err is a provider error of kind k.
func Is(err error, k Kind) bool { return driver.Is(err, k) }

// The notes that mean the same to all who keep them, and the largest in bytes.
const (
	FirstNote = driver.FirstNote
	DoneNote  = driver.DoneNote
	MaxNote   = driver.MaxNote
)

// MaxPage is the largest page of a listing.
const MaxPage = driver.MaxPage

// MaxPartNumber is the largest number of a part.
const MaxPartNumber = 10000
