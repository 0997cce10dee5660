// Package awslike is a service in memory that answers like Amazon S3 where MinIO differs, and fails on demand, for tests of the driver.
//
// It is strict where a client may be wrong: bodies are held to their length, checksum and payload hash, conditions are kept, parts to an upload that
// declared no checksum may carry none, parts but the last have 5 MiB, and requests for another region are sent away. What it says of Amazon S3 is
// from its documentation; it does not verify signatures, which MinIO does in other tests. One bucket; the first segment of each path.
package awslike

import (
	"bytes"
	"crypto/md5" //nolint:gosec // ETags are MD5 by S3's definition.
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what goes wrong with one request. The zero value is nothing.
type Fault struct {
	Status     int         // answered instead of doing anything; 0 = go on
	Code       string      // of the error document; "" = none is sent
	Header     http.Header // beside it
	After      bool        // the request is carried out first
	Drop       bool        // the connection is closed instead of an answer
	CutAfter   int64       // bytes of the answer after which the connection is closed; 0 = all go
	Stall      chan struct{}
	EarlyOK    bool // success is answered and nothing was done
	OKDocument bool // Code is sent in a document with status 200
	NoBody     bool // the request's body is not read before the answer
}

type object struct {
	data     []byte
	etag     string
	modified time.Time
}

type part struct {
	data     []byte
	etag     string
	modified time.Time
}

type upload struct {
	key   string
	parts map[int]*part
}

// Service is the one bucket and its behaviour. It implements http.Handler.
type Service struct {
	Region string
	Bucket string
	// Plan decides what goes wrong with a request; nil = nothing. It is called once for each, before it is looked at.
	Plan func(r *http.Request) Fault
	// Lacks are abilities that the service pretends not to know: "put-if", "complete-if", "delete-if", "suffix",
	// "long-suffix" (of more than the object has), "part-checksum", "names" (a//b is a/b), "slash-end" (more than 1 KiB for a/ is stored elsewhere),
	// "races" (conditions on names that hold "/race/").
	Lacks []string
	// MinPart is the length in bytes of all parts but the last; 0 = 5 MiB.
	MinPart int
	// WrongChecksum has answers tell another checksum than that of the bytes.
	WrongChecksum bool

	mu      sync.Mutex
	objects map[string]*object
	uploads map[string]*upload
	n       int
}

// New returns an empty service.
func New(bucket string) *Service {
	return &Service{Region: "us-east-1", Bucket: bucket, objects: map[string]*object{}, uploads: map[string]*upload{}}
}

// Clone returns a service that holds now what this one holds, without its plan.
func (s *Service) Clone() *Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Service{Region: s.Region, Bucket: s.Bucket, Lacks: s.Lacks, MinPart: s.MinPart, objects: maps.Clone(s.objects), uploads: map[string]*upload{}, n: s.n}
	for id, u := range s.uploads {
		c.uploads[id] = &upload{key: u.key, parts: maps.Clone(u.parts)}
	}
	return c
}

// Names returns the names of all objects in order.
func (s *Service) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for name := range s.objects {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Object returns a copy of an object's bytes, false if there is none.
func (s *Service) Object(name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return nil, false
	}
	return bytes.Clone(o.data), true
}

// Store puts an object there.
func (s *Service) Store(name string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = newObject(data)
}

// Uploads returns how many uploads are open.
func (s *Service) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

func newObject(data []byte) *object {
	return &object{data: data, etag: etagOf(data), modified: time.Now().Truncate(time.Second)}
}

func etagOf(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // by S3's definition.
	return hex.EncodeToString(sum[:])
}

func (s *Service) lacks(what string) bool { return slices.Contains(s.Lacks, what) }

// failure is an error document to be.
type failure struct {
	status int
	code   string
}

func (f *failure) Error() string { return f.code }

func refuse(status int, code string) *failure { return &failure{status, code} }

// answer is a response that is complete before it is sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	if s.Plan != nil {
		fault = s.Plan(r)
	}
	if fault.Stall != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		<-fault.Stall
		panic(http.ErrAbortHandler)
	}
	if fault.EarlyOK {
		if !fault.NoBody {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		w.Header().Set("X-Amz-Request-Id", "TEST")
		w.WriteHeader(http.StatusOK)
		return
	}
	var a *answer
	if fault.Status == 0 && !fault.Drop && !fault.OKDocument || fault.After {
		var err *failure
		if a, err = s.handle(r); err != nil {
			a = errorAnswer(err)
		}
	} else if !fault.NoBody {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	switch {
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.OKDocument:
		a = errorAnswer(refuse(http.StatusOK, fault.Code))
	case fault.Status != 0:
		a = errorAnswer(refuse(fault.Status, fault.Code))
		maps.Copy(a.header, fault.Header)
	}
	send(w, r, a, fault.CutAfter)
}

func send(w http.ResponseWriter, r *http.Request, a *answer, cutAfter int64) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("X-Amz-Request-Id", "TEST")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	if r.Method == http.MethodHead && a.header.Get("X-Head-Length") != "" {
		w.Header().Set("Content-Length", a.header.Get("X-Head-Length"))
	}
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	if cutAfter > 0 && cutAfter < int64(len(a.body)) {
		_, _ = w.Write(a.body[:cutAfter])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(a.body)
}

func errorAnswer(f *failure) *answer {
	a := &answer{status: f.status, header: http.Header{}}
	if f.code != "" {
		a.body = fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>%s</Code><Message>as planned</Message><RequestId>TEST</RequestId></Error>", f.code)
		a.header.Set("Content-Type", "application/xml")
	}
	return a
}

func document(v any) *answer {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: append([]byte(xml.Header), body...)}
}

func (s *Service) handle(r *http.Request) (*answer, *failure) {
	if scope := "/" + s.Region + "/s3/aws4_request"; !strings.Contains(r.Header.Get("Authorization"), scope) {
		a := errorAnswer(refuse(http.StatusBadRequest, "AuthorizationHeaderMalformed"))
		a.body = bytes.Replace(a.body, []byte("</Error>"), []byte("<Region>"+s.Region+"</Region></Error>"), 1)
		a.header.Set("X-Amz-Bucket-Region", s.Region)
		return a, nil
	}
	path, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/"))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidURI")
	}
	bucket, name, _ := strings.Cut(path, "/")
	if bucket != s.Bucket {
		return nil, refuse(http.StatusNotFound, "NoSuchBucket")
	}
	if s.lacks("names") {
		name = strings.ReplaceAll(name, "//", "/")
	}
	if len(name) > 1024 {
		return nil, refuse(http.StatusBadRequest, "KeyTooLongError")
	}
	var body []byte
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		var f *failure
		if body, f = readBody(r); f != nil {
			return nil, f
		}
	}
	if s.lacks("slash-end") && strings.HasSuffix(name, "/") && r.Method == http.MethodPut && len(body) > 1<<10 {
		name += "misplaced"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.URL.Query()
	switch {
	case name == "" && r.Method == http.MethodHead:
		return &answer{status: http.StatusOK, header: http.Header{}}, nil
	case name == "" && r.Method == http.MethodGet && query.Get("list-type") == "2":
		return s.list(query)
	case name == "":
		return nil, refuse(http.StatusNotImplemented, "NotImplemented")
	case query.Has("uploads") || query.Has("uploadId"):
		return s.multipart(r, name, query, body)
	case r.Method == http.MethodPut:
		return s.put(r, name, body)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return s.get(r, name)
	case r.Method == http.MethodDelete:
		return s.remove(r, name)
	}
	return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed")
}

// condition checks If-Match and If-None-Match of a change to name.
func (s *Service) condition(r *http.Request, name, ability string) *failure {
	match, noneMatch := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if match == "" && noneMatch == "" || s.lacks(ability) || s.lacks("races") && strings.Contains(name, "/race/") {
		return nil
	}
	o := s.objects[name]
	switch {
	case noneMatch != "" && noneMatch != "*":
		return refuse(http.StatusNotImplemented, "NotImplemented")
	case noneMatch != "" && o != nil, match != "" && o != nil && match != `"`+o.etag+`"`:
		return refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	case match != "" && o == nil:
		return refuse(http.StatusNotFound, "NoSuchKey")
	}
	return nil
}

func (s *Service) put(r *http.Request, name string, body []byte) (*answer, *failure) {
	if f := s.condition(r, name, "put-if"); f != nil {
		return nil, f
	}
	o := newObject(body)
	s.objects[name] = o
	return s.stored(o.etag, body), nil
}

// stored answers that bytes are stored, with the checksum that the service computed.
func (s *Service) stored(etag string, body []byte) *answer {
	sum := checksums["crc64nvme"](body)
	if s.WrongChecksum {
		sum = checksums["crc64nvme"](append(bytes.Clone(body), 0))
	}
	return &answer{status: http.StatusOK, header: http.Header{"Etag": {`"` + etag + `"`}, "X-Amz-Checksum-Crc64nvme": {sum}}}
}

func (s *Service) get(r *http.Request, name string) (*answer, *failure) {
	o := s.objects[name]
	if o == nil {
		return nil, refuse(http.StatusNotFound, "NoSuchKey")
	}
	if match := r.Header.Get("If-Match"); match != "" && match != `"`+o.etag+`"` {
		return nil, refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	a := &answer{status: http.StatusOK, header: http.Header{"Etag": {`"` + o.etag + `"`}, "Last-Modified": {o.modified.UTC().Format(http.TimeFormat)}}, body: o.data}
	if text := r.Header.Get("Range"); text != "" && (!s.lacks("suffix") || !strings.HasPrefix(text, "bytes=-")) {
		first, last, ok := byteRange(text, int64(len(o.data)))
		suffix, _ := strconv.ParseInt(strings.TrimPrefix(text, "bytes=-"), 10, 64) // 0 for any other range
		if !ok || s.lacks("long-suffix") && suffix > int64(len(o.data)) {
			return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		}
		a.status, a.body = http.StatusPartialContent, o.data[first:last+1]
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, len(o.data)))
	}
	if r.Method == http.MethodHead {
		a.header.Set("X-Head-Length", strconv.Itoa(len(a.body)))
	}
	return a, nil
}

func byteRange(text string, size int64) (first, last int64, ok bool) {
	from, to, _ := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if from == "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n == 0 || size == 0 {
			return 0, 0, false
		}
		return max(0, size-n), size - 1, true
	}
	first, err := strconv.ParseInt(from, 10, 64)
	if err != nil || first >= size {
		return 0, 0, false
	}
	last = size - 1
	if to != "" {
		n, err := strconv.ParseInt(to, 10, 64)
		if err != nil || n < first {
			return 0, 0, false
		}
		last = min(last, n)
	}
	return first, last, true
}

func (s *Service) remove(r *http.Request, name string) (*answer, *failure) {
	if f := s.condition(r, name, "delete-if"); f != nil {
		return nil, f
	}
	delete(s.objects, name)
	return &answer{status: http.StatusNoContent, header: http.Header{}}, nil
}
