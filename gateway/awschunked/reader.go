package awschunked

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"
)

const (
	// bufferSize bounds every line. A chunk header is shorter by its grammar: 16 + 17 + 64 + 2 bytes.
	bufferSize = 4 << 10
	// maxTrailerBytes bounds all trailer lines together.
	maxTrailerBytes = 16 << 10
	maxSizeDigits   = 16
	signatureSize   = 2 * sha256.Size
	signatureMark   = ";chunk-signature="
)

// Mode is the form of the body.
type Mode int

// The forms. Zero is none of them.
const (
	Signed          Mode = iota + 1 // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
	SignedTrailer                   // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
	UnsignedTrailer                 // STREAMING-UNSIGNED-PAYLOAD-TRAILER
)

// Verifier verifies the chain of signatures; sigv4.ChunkVerifier is one. Its methods are called in the order of the body, must not
// keep their arguments, and return false for a wrong signature, whatever its length.
type Verifier interface {
	VerifyChunk(dataSHA256 *[sha256.Size]byte, signature []byte) bool
	VerifyTrailer(trailerSHA256 *[sha256.Size]byte, signature []byte) bool
}

// Options say what body is to be decoded. Mode and DecodedLength are required.
type Options struct {
	Mode          Mode
	Verifier      Verifier // required for the signed modes, unused otherwise
	DecodedLength int64    // from ParseDecodedLength
	TrailerNames  []string // from ParseTrailerNames: lower-case; exactly these must come
}

// Trailer is one trailer: lower-case name, value without surrounding blanks.
type Trailer struct{ Name, Value string }

// Reader decodes one body. It is for one goroutine.
type Reader struct {
	src  *bufio.Reader
	opts Options

	left      int64 // of the decoded length
	chunkLeft int64
	begun     bool // a chunk header has been read
	signature [signatureSize]byte
	hash      hash.Hash // of the chunk's data; nil when unsigned
	sum       [sha256.Size]byte
	trailers  []Trailer
	pending   error // what the source said beside its last bytes
	err       error
}

// NewReader decodes src. opts is copied, but not the slice and the verifier in it. A negative DecodedLength and trailer names with a
// mode that has no trailers are refused with an *[Error]. It panics on a mode that does not exist and on a signed mode without
// Verifier: decoding such a body unverified must be impossible.
func NewReader(src io.Reader, opts *Options) (*Reader, error) {
	r := &Reader{src: bufio.NewReaderSize(src, bufferSize), opts: *opts, left: opts.DecodedLength}
	switch opts.Mode {
	case Signed, SignedTrailer:
		if opts.Verifier == nil {
			panic("awschunked: internal error: a signed mode without Verifier")
		}
		r.hash = sha256.New()
	case UnsignedTrailer:
	default:
		panic("awschunked: internal error: no such mode")
	}
	if opts.DecodedLength < 0 {
		return nil, refuse(InvalidDecodedLength, "x-amz-decoded-content-length must be one number of bytes")
	}
	if opts.Mode == Signed && len(opts.TrailerNames) > 0 {
		return nil, refuse(InvalidTrailerNames, "x-amz-trailer needs a payload form with trailers")
	}
	return r, nil
}

// Trailer returns the value of a trailer by its lower-case name. It is false before io.EOF and for trailers that were not sent.
func (r *Reader) Trailer(name string) (string, bool) {
	for _, t := range r.Trailers() {
		if t.Name == name {
			return t.Value, true
		}
	}
	return "", false
}

// Trailers returns the trailers in the order sent, without x-amz-trailer-signature, as the Reader's own slice; nil before io.EOF.
func (r *Reader) Trailers() []Trailer {
	if r.err != io.EOF { //nolint:errorlint // set here, never wrapped.
		return nil
	}
	return r.trailers
}

// Read decodes the next bytes, at most to the end of the chunk. io.EOF means that the whole body was there and verified; every error
// stays. The last bytes of a signed chunk are handed over only after its signature verified.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.next(p)
	if err != nil {
		r.err = err
		return 0, err
	}
	return n, nil
}

func (r *Reader) next(p []byte) (int, error) {
	if r.pending != nil {
		return 0, r.cut(r.pending)
	}
	if r.chunkLeft == 0 {
		if err := r.readChunkHeader(); err != nil {
			return 0, err
		}
		if r.chunkLeft == 0 {
			return 0, r.readEnd()
		}
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.chunkLeft)])
	if n == 0 && err != nil {
		return 0, r.cut(err)
	}
	if err != io.EOF { // An end may be asked for again; other errors are kept for the next call.
		r.pending = err
	}
	r.chunkLeft -= int64(n)
	r.left -= int64(n)
	if r.hash != nil {
		r.hash.Write(p[:n])
		if r.chunkLeft == 0 && n > 0 {
			if err := r.verifyChunk(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// readChunkHeader reads the line end of the chunk before and the header of the next, and sets chunkLeft.
func (r *Reader) readChunkHeader() error {
	if r.begun {
		if err := r.expectLineEnd(); err != nil {
			return err
		}
	}
	r.begun = true
	line, err := r.readLine()
	if err != nil {
		return err
	}
	header, crlf := bytes.CutSuffix(line, []byte("\r\n"))
	if !crlf {
		return refuse(MalformedChunk, "a chunk header has no CRLF")
	}
	digits := header
	if r.hash != nil {
		var signature []byte
		var marked bool
		digits, signature, marked = bytes.Cut(header, []byte(signatureMark))
		if !marked || copy(r.signature[:], signature) != signatureSize || len(signature) != signatureSize {
			return refuse(MalformedChunk, "a chunk header has no chunk-signature")
		}
	}
	size, ok := parseSize(digits)
	switch {
	case !ok:
		return refuse(MalformedChunk, "a chunk header has no hexadecimal size")
	case size > uint64(r.left):
		return refuse(TooLong, "the chunks hold more than x-amz-decoded-content-length says")
	}
	r.chunkLeft = int64(size)
	return nil
}

// parseSize reads 1 to 16 hex digits.
func parseSize(digits []byte) (size uint64, ok bool) {
	if len(digits) == 0 || len(digits) > maxSizeDigits {
		return 0, false
	}
	for _, c := range digits {
		var digit byte
		switch {
		case '0' <= c && c <= '9':
			digit = c - '0'
		case 'a' <= c && c <= 'f':
			digit = c - 'a' + 10
		case 'A' <= c && c <= 'F':
			digit = c - 'A' + 10
		default:
			return 0, false
		}
		size = size<<4 | uint64(digit)
	}
	return size, true
}

func (r *Reader) verifyChunk() error {
	r.hash.Sum(r.sum[:0])
	r.hash.Reset()
	if !r.opts.Verifier.VerifyChunk(&r.sum, r.signature[:]) {
		return refuse(ChunkSignature, "The signature of a chunk does not match.")
	}
	return nil
}

// readEnd reads what follows the header of the final chunk and returns io.EOF if all is well.
func (r *Reader) readEnd() error {
	if r.hash != nil {
		if err := r.verifyChunk(); err != nil {
			return err
		}
	}
	if r.left > 0 {
		return refuse(Incomplete, "the chunks hold less than x-amz-decoded-content-length says")
	}
	if r.opts.Mode == Signed {
		if err := r.expectLineEnd(); err != nil {
			return err
		}
	} else if err := r.readTrailers(); err != nil {
		return err
	}
	return r.expectEnd()
}

// expectLineEnd wants CRLF.
func (r *Reader) expectLineEnd() error {
	for _, want := range []byte("\r\n") {
		c, err := r.src.ReadByte()
		if err != nil {
			return r.cut(err)
		}
		if c != want {
			return refuse(MalformedChunk, "the data of a chunk is not followed by CRLF")
		}
	}
	return nil
}

// expectEnd wants the end of the source, after at most one more blank line, and returns io.EOF.
func (r *Reader) expectEnd() error {
	line, err := r.src.ReadSlice('\n')
	if err == nil && (string(line) == "\r\n" || string(line) == "\n") {
		line, err = r.src.ReadSlice('\n')
	}
	switch {
	case len(line) > 0:
		return refuse(TrailingData, "there is data after the final chunk")
	case err == io.EOF: // Only the bare value is the end.
		return io.EOF
	}
	return r.cut(err)
}

// readTrailers reads trailer lines up to and with the blank line that ends them.
func (r *Reader) readTrailers() error {
	var lines []byte // as signed
	total, signed, gap := 0, false, false
	for {
		line, err := r.readLine()
		if err != nil {
			return err
		}
		if total += len(line); total > maxTrailerBytes {
			return refuse(MalformedTrailer, "the trailers are too long")
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			if signed || r.opts.Mode == UnsignedTrailer {
				return r.checkAnnounced()
			}
			if gap {
				return refuse(MalformedTrailer, "the trailers are not signed")
			}
			gap = true
			continue
		}
		name, value, ok := splitTrailer(line)
		switch {
		case !ok || signed:
			return refuse(MalformedTrailer, "a trailer is malformed")
		case name == trailerSignature && r.opts.Mode == SignedTrailer:
			sum := sha256.Sum256(lines)
			if !r.opts.Verifier.VerifyTrailer(&sum, []byte(value)) {
				return refuse(TrailerSignature, "The signature of the trailers does not match.")
			}
			signed = true
		case gap || !slices.Contains(r.opts.TrailerNames, name) || slices.ContainsFunc(r.trailers, func(t Trailer) bool { return t.Name == name }):
			return refuse(MalformedTrailer, "a trailer is repeated, or was not announced in x-amz-trailer")
		default:
			r.trailers = append(r.trailers, Trailer{Name: name, Value: value})
			lines = append(append(append(append(lines, name...), ':'), value...), '\n')
		}
	}
}

// splitTrailer reads "name:value": the name in lower case, the value printable and without surrounding blanks.
func splitTrailer(line []byte) (name, value string, ok bool) {
	before, after, found := bytes.Cut(line, []byte(":"))
	name, value = strings.ToLower(string(before)), strings.Trim(string(after), " \t")
	for i := range len(value) {
		if value[i] < ' ' || value[i] >= 0x7f {
			return "", "", false
		}
	}
	return name, value, found && token(name)
}

// checkAnnounced wants every announced trailer; that there are no others is known already.
func (r *Reader) checkAnnounced() error {
	if len(r.trailers) != len(r.opts.TrailerNames) {
		return refuse(MalformedTrailer, "a trailer announced in x-amz-trailer was not sent")
	}
	return nil
}

// readLine reads to the next line feed. The result is valid until the next read.
func (r *Reader) readLine() ([]byte, error) {
	line, err := r.src.ReadSlice('\n')
	switch {
	case err == nil:
		return line, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, refuse(MalformedChunk, "a line is too long")
	}
	return nil, r.cut(err)
}

// cut makes the error of a body that stopped: never io.EOF.
func (r *Reader) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Reason: Incomplete, Message: "the request body was cut short", Err: io.ErrUnexpectedEOF}
	}
	return err
}
