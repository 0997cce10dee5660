package checksum

import (
	"crypto/md5" //nolint:gosec // Content-MD5 and ETag are defined by it.
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Options say what a [Reader] computes and what the body is held to. The zero value computes and verifies nothing.
type Options struct {
	// Size is the exact number of bytes of the body, or -1 when unknown. A shorter body ends with Incomplete, a longer one with
	// TooLong. With a known size the last bytes are handed over only after everything verified, so that a consumer counting bytes is
	// as safe as one that waits for io.EOF.
	Size int64
	// MD5 asks for the MD5 of the body (the ETag).
	MD5 bool
	// Algorithms are checksums to compute though nothing was promised about them.
	Algorithms []Algorithm
	// ContentMD5, PayloadSHA256 and Value are promises the body is held to; nil and the zero Value are no promise.
	ContentMD5    *[md5.Size]byte
	PayloadSHA256 *[sha256.Size]byte
	Value         Value
	// Trailer is the algorithm whose promised value comes after the body, None when there is none. TrailerValue is called once, after
	// the source said io.EOF and before the consumer does, and returns the text of that value (base64); ok = false means the trailer
	// was not sent.
	Trailer      Algorithm
	TrailerValue func() (text string, ok bool)
	// Buffers recycles block buffers across Readers; nil means this Reader allocates its own.
	Buffers *Buffers
}

// Reader hands on a body and computes its digests beside the consumer. It is the consumer's to read from one goroutine at a time;
// Value and MD5 may be called after Read returned io.EOF.
//
// Bodies known to fit one block are digested inline. Larger ones are copied block by block to a worker goroutine, which runs only
// while blocks wait and never blocks on anything else: so a Reader may be abandoned at any point, no goroutine stays behind. Close
// returns the buffers early; it is good manners, not a duty.
type Reader struct {
	src  io.Reader
	opts Options

	digests []digest
	lane    *lane // nil until the body proved larger than a block
	inline  bool

	read    int64
	started bool
	done    bool
	err     error // what every further Read returns
}

// digest is one running hash and, after the end, its value.
type digest struct {
	algorithm Algorithm // None = MD5
	hash      hash.Hash
	sum       []byte
}

// NewReader wraps src. opts is copied; nil means no options with unknown size. It panics if Trailer is set without TrailerValue, or an
// algorithm is out of range: both are the caller's mistakes and not the client's.
func NewReader(src io.Reader, opts *Options) *Reader {
	r := &Reader{src: src}
	if opts == nil {
		r.opts.Size = -1
	} else {
		r.opts = *opts
	}
	if r.opts.Trailer != None && r.opts.TrailerValue == nil {
		panic("checksum: internal error: Options.Trailer without TrailerValue")
	}
	if r.opts.MD5 || r.opts.ContentMD5 != nil {
		r.WantMD5()
	}
	if r.opts.PayloadSHA256 != nil {
		r.Want(SHA256)
	}
	r.Want(r.opts.Value.Algorithm())
	r.Want(r.opts.Trailer)
	for _, a := range r.opts.Algorithms {
		r.Want(a)
	}
	return r
}

// Want adds a checksum to compute; None and repeats change nothing. It panics after the first Read.
func (r *Reader) Want(a Algorithm) {
	if a == None || r.find(a) != nil {
		return
	}
	r.mustNotHaveStarted()
	r.digests = append(r.digests, digest{algorithm: a, hash: newHash(a)})
}

// WantMD5 adds the MD5 of the body; repeats change nothing. It panics after the first Read.
func (r *Reader) WantMD5() {
	if r.find(None) != nil {
		return
	}
	r.mustNotHaveStarted()
	r.digests = append(r.digests, digest{algorithm: None, hash: md5.New()}) //nolint:gosec // see the import.
}

func (r *Reader) mustNotHaveStarted() {
	if r.started {
		panic("checksum: internal error: digest wanted after the first Read")
	}
}

func (r *Reader) find(a Algorithm) *digest {
	for i := range r.digests {
		if r.digests[i].algorithm == a {
			return &r.digests[i]
		}
	}
	return nil
}

// Promised returns the checksum the client asked for, by value or by trailer; None when there is none.
func (r *Reader) Promised() Algorithm {
	if a := r.opts.Value.Algorithm(); a != None {
		return a
	}
	return r.opts.Trailer
}

// Size returns the announced size, -1 when unknown.
func (r *Reader) Size() int64 { return r.opts.Size }

// BytesRead returns how many bytes were handed over so far.
func (r *Reader) BytesRead() int64 { return r.read }

// Value returns the computed checksum. ok is false before a clean io.EOF and for algorithms nobody wanted.
func (r *Reader) Value(a Algorithm) (v Value, ok bool) {
	d := r.find(a)
	if a == None || d == nil || !r.done {
		return Value{}, false
	}
	v, err := NewValue(a, d.sum, 0)
	return v, err == nil
}

// MD5 returns the MD5 of the body. ok is false before a clean io.EOF and when nobody wanted it.
func (r *Reader) MD5() (sum [md5.Size]byte, ok bool) {
	d := r.find(None)
	if d == nil || !r.done {
		return sum, false
	}
	return [md5.Size]byte(d.sum), true
}

// Read hands on the next bytes. io.EOF means that the body had its announced size and every promise held. A broken promise is an
// *[Error], returned with n = 0 in place of the last bytes; errors of the source pass through. Every error stays.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if !r.started {
		r.started = true
		r.inline = len(r.digests) == 0 || r.opts.Size >= 0 && r.opts.Size <= blockSize
	}
	if r.opts.Size >= 0 && int64(len(p)) > r.opts.Size-r.read {
		p = p[:r.opts.Size-r.read]
	}
	var n int
	var err error
	if len(p) > 0 {
		n, err = r.src.Read(p)
		if n < 0 || n > len(p) {
			panic("checksum: internal error: source returned an impossible count")
		}
		r.digest(p[:n])
		r.read += int64(n)
	}
	if err == nil && r.read == r.opts.Size {
		err = r.expectEnd()
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF: //nolint:errorlint // a wrapped io.EOF is a failure: only the bare value is a clean end.
		if r.read == r.opts.Size {
			n = 0 // a consumer that counts must not get the last bytes of a body that failed after them
		}
		return r.fail(n, err)
	}
	if verr := r.finish(); verr != nil {
		return r.fail(0, verr)
	}
	r.done, r.err = true, io.EOF
	return n, io.EOF
}

// fail latches err. Bytes that were read before a failing source go out; those of a failed verification do not.
func (r *Reader) fail(n int, err error) (int, error) {
	r.err = err
	r.release()
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// expectEnd asks the source for one more byte than announced, which also makes it read and verify what follows the data (chunk
// signature, trailers).
func (r *Reader) expectEnd() error {
	const patience = 100 // as bufio: a source that returns neither bytes nor errors is broken
	var extra [1]byte
	for range patience {
		n, err := r.src.Read(extra[:])
		if n > 0 {
			return &Error{Reason: TooLong, Message: fmt.Sprintf("the body is longer than its announced %d bytes", r.opts.Size)}
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// digest feeds the digests.
func (r *Reader) digest(p []byte) {
	if r.inline {
		for i := range r.digests {
			r.digests[i].hash.Write(p)
		}
		return
	}
	if r.lane == nil {
		r.lane = newLane(r.digests, r.opts.Buffers)
	}
	r.lane.write(p)
}

// finish runs after the source said io.EOF: all digests are completed, then every promise is checked.
func (r *Reader) finish() error {
	if r.opts.Size >= 0 && r.read < r.opts.Size {
		return &Error{Reason: Incomplete, Message: fmt.Sprintf("the body ended after %d of its announced %d bytes", r.read, r.opts.Size)}
	}
	if r.lane != nil {
		r.lane.drain()
	}
	for i := range r.digests {
		r.digests[i].sum = r.digests[i].hash.Sum(nil)
	}
	r.release()
	return r.verify()
}

func (r *Reader) verify() error {
	if want := r.opts.PayloadSHA256; want != nil {
		got := r.find(SHA256).sum
		if subtle.ConstantTimeCompare(want[:], got) != 1 {
			return &Error{
				Reason: PayloadSHA256Mismatch, Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
				Expected: hex.EncodeToString(want[:]), Computed: hex.EncodeToString(got),
			}
		}
	}
	if want := r.opts.ContentMD5; want != nil {
		got := r.find(None).sum
		if subtle.ConstantTimeCompare(want[:], got) != 1 {
			return &Error{
				Reason: BadContentMD5, Message: "The Content-MD5 you specified did not match what we received.",
				Expected: base64.StdEncoding.EncodeToString(want[:]), Computed: base64.StdEncoding.EncodeToString(got),
			}
		}
	}
	if err := r.verifyValue(r.opts.Value); err != nil {
		return err
	}
	if a := r.opts.Trailer; a != None {
		text, ok := r.opts.TrailerValue()
		if !ok {
			return &Error{Reason: InvalidTrailer, Algorithm: a, Message: "the announced trailer " + a.Header() + " was not sent"}
		}
		want, err := ParseValue(a, text)
		if err != nil || want.Composite() {
			return &Error{Reason: InvalidTrailer, Algorithm: a, Message: "Value for " + a.Header() + " trailing header is invalid."}
		}
		return r.verifyValue(want)
	}
	return nil
}

func (r *Reader) verifyValue(want Value) error {
	if want.IsZero() {
		return nil
	}
	got, err := NewValue(want.Algorithm(), r.find(want.Algorithm()).sum, 0)
	if err != nil {
		return err
	}
	if want.Equal(got) {
		return nil
	}
	return &Error{
		Reason: ChecksumMismatch, Algorithm: want.Algorithm(), Expected: want.String(), Computed: got.String(),
		Message: "The " + want.Algorithm().String() + " you specified did not match the calculated checksum.",
	}
}

func (r *Reader) release() {
	if r.lane != nil {
		r.lane.release()
		r.lane = nil
	}
}

// Close releases the buffers, without touching the source. Further Reads fail, or say io.EOF if that was reached. It never fails and
// may be called repeatedly, from the goroutine that reads.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = errClosed
	}
	r.release()
	return nil
}

var errClosed = errors.New("read body: the checksum reader is closed")
