// Package multipart is the logic of multipart uploads without I/O of its own: which attempt to send a part counts, which attempts a client's
// list names, whether they make a legal object, how the object's ETag and checksum follow from theirs, and which backend parts to assemble.
//
// It promises that a completed object is made of exactly the attempts whose ETags the client echoed, each paired with its own salt and
// commitment, or of nothing. It knows no keys. Everything here is a pure function of its arguments.
//
// Specification: docs/FORMAT.md section "Multipart uploads", and CompleteMultipartUpload in the Amazon S3 API reference.
package multipart

import (
	"cmp"
	"crypto/md5" //nolint:gosec // S3 defines ETags by MD5
	"fmt"
	"slices"
	"time"

	"sallyport/crypto/object"
	"sallyport/gateway/checksum"
)

// Attempt is one finished attempt to send one part.
type Attempt struct {
	object.PartNote
	Name string    // of its note
	When time.Time // when its note was written
}

// Listed is one part as the client lists it in CompleteMultipartUpload.
type Listed struct {
	Number   int
	ETag     string         // without quotes
	Checksum checksum.Value // zero = the client sent none
}

// Reason says what is wrong with a client's list.
type Reason int

// The reasons.
const (
	BadOrder    Reason = iota // part numbers are not ascending, or out of range, or there are none
	BadPart                   // no attempt bears this number and ETag, or its bytes have been replaced since
	BadChecksum               // the part has another checksum than the client says
	TooSmall                  // a part but the last is below 5 MiB
	TooLarge                  // the whole is above the largest object
	BadSize                   // the whole has another size than the client says
	BadObject                 // the whole has another checksum than the client says
)

// Error is a list that makes no object. Nothing was changed.
type Error struct {
	Reason Reason
	Part   int   // 0 when no single part is to blame
	Size   int64 // TooSmall: the part's
}

// Error names the part and what is wrong with it.
func (e *Error) Error() string {
	switch e.Reason {
	case BadOrder:
		return "the parts must be listed in ascending order, numbered 1 to 10000"
	case BadPart:
		return fmt.Sprintf("part %d was not sent with this ETag, or has been sent again since", e.Part)
	case BadChecksum:
		return fmt.Sprintf("part %d has another checksum", e.Part)
	case TooSmall:
		return fmt.Sprintf("part %d has %d bytes; every part but the last must have at least %d", e.Part, e.Size, int64(object.MinPartSize))
	case TooLarge:
		return "the parts together are larger than an object can be"
	case BadSize:
		return "the parts together do not have the size given"
	default:
		return "the parts together do not have the checksum given"
	}
}

// Backend tells which part bytes the backend holds now.
type Backend struct {
	Parts map[int]string  // part number -> ETag
	Held  map[string]bool // names of held frames; nil = not looked at, taken as present
}

// current reports whether an attempt's bytes are still what the backend holds.
func (b *Backend) current(a *Attempt) bool {
	if a.Held != "" {
		return b.Held == nil || b.Held[a.Held]
	}
	return b.Parts[a.Part] == a.BackendETag
}

// slot is where a backend keeps a part's bytes, as far as an attempt knows.
type slot struct {
	part int
	etag string
}

// doubtful returns the slots that several attempts claim. Every attempt has a salt of its own and so bytes of its own: a backend that calls two
// of them the same cannot say whose it holds, and an object of the wrong ones would never open again.
func doubtful(attempts []Attempt) map[slot]bool {
	claimed := map[slot]bool{}
	for _, a := range attempts {
		if a.Held == "" {
			at := slot{a.Part, a.BackendETag}
			_, twice := claimed[at]
			claimed[at] = twice
		}
	}
	return claimed
}

// Newest returns for each part number the newest attempt whose bytes are still there, ascending: what ListParts shows.
func Newest(attempts []Attempt, backend *Backend) []Attempt {
	best := map[int]Attempt{}
	doubt := doubtful(attempts)
	for _, a := range attempts {
		if !backend.current(&a) || doubt[slot{a.Part, a.BackendETag}] {
			continue
		}
		if b, ok := best[a.Part]; !ok || a.When.After(b.When) || a.When.Equal(b.When) && a.Name > b.Name {
			best[a.Part] = a
		}
	}
	newest := make([]Attempt, 0, len(best))
	for _, a := range best {
		newest = append(newest, a)
	}
	slices.SortFunc(newest, func(a, b Attempt) int { return cmp.Compare(a.Part, b.Part) })
	return newest
}

// Select returns the attempts that the client's list names, in its order, or an *Error. Two attempts with the same bytes have the same
// ETag under the policy md5; then the newest whose bytes are still there is taken, because either is what the client means.
func Select(attempts []Attempt, backend *Backend, listed []Listed) ([]Attempt, error) {
	if len(listed) == 0 || len(listed) > object.MaxParts {
		return nil, &Error{Reason: BadOrder}
	}
	named := map[Listed]Attempt{}
	doubt := doubtful(attempts)
	for _, a := range attempts {
		if doubt[slot{a.Part, a.BackendETag}] {
			continue
		}
		id := Listed{Number: a.Part, ETag: a.ETag}
		if b, ok := named[id]; backend.current(&a) && (!ok || a.When.After(b.When) || a.When.Equal(b.When) && a.Name > b.Name) {
			named[id] = a
		}
	}
	chosen := make([]Attempt, 0, len(listed))
	last := 0
	for _, l := range listed {
		if l.Number <= last || l.Number > object.MaxParts {
			return nil, &Error{Reason: BadOrder, Part: l.Number}
		}
		last = l.Number
		a, ok := named[Listed{Number: l.Number, ETag: l.ETag}]
		if !ok {
			return nil, &Error{Reason: BadPart, Part: l.Number}
		}
		if !l.Checksum.IsZero() && !sameSum(l.Checksum, a.Checksum) {
			return nil, &Error{Reason: BadChecksum, Part: l.Number}
		}
		chosen = append(chosen, a)
	}
	for i, a := range chosen {
		if i < len(chosen)-1 && a.Plain < object.MinPartSize {
			return nil, &Error{Reason: TooSmall, Part: a.Part, Size: a.Plain}
		}
	}
	return chosen, nil
}

func sameSum(v checksum.Value, raw []byte) bool {
	other, err := checksum.NewValue(v.Algorithm(), raw, 0)
	return err == nil && v.Equal(other)
}

// Size returns the plaintext bytes of the chosen parts together, or TooLarge.
func Size(chosen []Attempt) (int64, error) {
	var sum int64
	for _, a := range chosen {
		sum += a.Plain // at most 10,000 × 5 GiB, far below the limit of int64
	}
	if sum > object.MaxPlainSize {
		return 0, &Error{Reason: TooLarge}
	}
	return sum, nil
}

// ETag returns S3's ETag of the object: the MD5 of the parts' MD5s, and their number.
func ETag(chosen []Attempt) (string, error) {
	sums := make([][md5.Size]byte, 0, len(chosen))
	for _, a := range chosen {
		if len(a.MD5) != md5.Size {
			return "", fmt.Errorf("compute ETag: part %d has no MD5", a.Part)
		}
		sums = append(sums, [md5.Size]byte(a.MD5))
	}
	return checksum.MultipartETag(sums), nil
}

// Checksum returns the object's checksum from those of its parts; the zero Value for no algorithm.
func Checksum(algorithm checksum.Algorithm, composite bool, chosen []Attempt) (checksum.Value, error) {
	if algorithm == checksum.None {
		return checksum.Value{}, nil
	}
	values := make([]checksum.Value, 0, len(chosen))
	parts := make([]checksum.Part, 0, len(chosen))
	for _, a := range chosen {
		v, err := checksum.NewValue(algorithm, a.Checksum, 0)
		if err != nil {
			return checksum.Value{}, fmt.Errorf("combine checksums: part %d: %w", a.Part, err)
		}
		values = append(values, v)
		parts = append(parts, checksum.Part{Value: v, Size: a.Plain})
	}
	if composite {
		return checksum.Composite(algorithm, values)
	}
	return checksum.Combine(algorithm, parts)
}

// Entries returns the rows of the object's table, one for each chosen attempt.
func Entries(chosen []Attempt) []object.Entry {
	entries := make([]object.Entry, 0, len(chosen))
	for _, a := range chosen {
		e := object.Entry{Part: a.Part, Plain: a.Plain, FrameSalt: a.FrameSalt, Commitment: a.Commitment, Checksum: a.Checksum}
		if len(a.MD5) == md5.Size {
			e.HasMD5, e.MD5 = true, [md5.Size]byte(a.MD5)
		}
		entries = append(entries, e)
	}
	return entries
}

// ClosingPart returns the number of the backend part that ends the object. A held last part carries padding, table and tail behind its
// frame under its own number, because behind a part of its own it would be a middle part below the backend's minimum. Otherwise they
// are a part of their own, numbered behind every part any attempt stored, so that completing again uses the same number.
func ClosingPart(attempts, chosen []Attempt) (number int, held bool) {
	last := chosen[len(chosen)-1]
	if last.Held != "" {
		return last.Part, true
	}
	for _, a := range attempts {
		if a.Held == "" {
			number = max(number, a.Part)
		}
	}
	return number + 1, false
}
