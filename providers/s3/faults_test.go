package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/s3"
	"sallyport/providers/s3/internal/awslike"
)

// on makes a plan for requests of one method whose target holds text.
func on(method, text string, fault awslike.Fault) func(r *http.Request) awslike.Fault {
	return func(r *http.Request) awslike.Fault {
		if r.Method == method && strings.Contains(r.URL.RequestURI(), text) {
			return fault
		}
		return awslike.Fault{}
	}
}

// What each answer means for a write whose body went out, and for a read.
func TestAnswersBecomeKinds(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	const none = driver.Kind(-1)
	for _, c := range []struct {
		status      int
		code        string
		write, read driver.Kind
	}{
		{400, "AuthorizationHeaderMalformed", driver.Unauthenticated, driver.Unauthenticated},
		{400, "ExpiredToken", driver.Unauthenticated, driver.Unauthenticated},
		{400, "InvalidToken", driver.Unauthenticated, driver.Unauthenticated},
		{400, "RequestTimeout", driver.Unavailable, driver.Unavailable},
		{400, "BadDigest", driver.Unavailable, none},
		{400, "XAmzContentSHA256Mismatch", driver.Unavailable, none},
		{400, "IncompleteBody", driver.Unavailable, none},
		{400, "EntityTooLarge", driver.TooLarge, none},
		{400, "KeyTooLongError", driver.InvalidKey, driver.InvalidKey},
		{400, "XMinioInvalidObjectName", driver.InvalidKey, driver.InvalidKey},
		{400, "InvalidArgument", driver.Internal, driver.Internal},
		{400, "", driver.Internal, driver.Internal},
		{401, "", driver.Unauthenticated, driver.Unauthenticated},
		{403, "AccessDenied", driver.Denied, driver.Denied},
		{403, "InvalidAccessKeyId", driver.Unauthenticated, driver.Unauthenticated},
		{403, "SignatureDoesNotMatch", driver.Unauthenticated, driver.Unauthenticated},
		{403, "RequestTimeTooSkewed", driver.Unauthenticated, driver.Unauthenticated},
		{403, "InvalidObjectState", driver.Denied, driver.Denied},
		{403, "", driver.Denied, driver.Denied},
		{404, "NoSuchKey", driver.NotFound, driver.NotFound},
		{404, "NoSuchBucket", driver.Unavailable, driver.Unavailable},
		{405, "MethodNotAllowed", driver.Denied, driver.Denied},
		{409, "ConditionalRequestConflict", driver.Conflict, driver.Conflict},
		{409, "OperationAborted", driver.Conflict, driver.Conflict},
		{409, "", driver.Conflict, driver.Conflict},
		{412, "PreconditionFailed", driver.PreconditionFailed, driver.PreconditionFailed},
		{413, "", driver.TooLarge, driver.TooLarge},
		{429, "", driver.Throttled, driver.Throttled},
		{500, "InternalError", driver.UnknownOutcome, driver.Unavailable},
		{500, "", driver.UnknownOutcome, driver.Unavailable},
		{501, "NotImplemented", driver.Unsupported, driver.Unsupported},
		{502, "", driver.UnknownOutcome, driver.Unavailable},
		{503, "SlowDown", driver.Throttled, driver.Throttled},
		{503, "SlowDownWrite", driver.UnknownOutcome, driver.Throttled},
		{503, "SlowDownRead", driver.UnknownOutcome, driver.Throttled},
		{503, "ServiceUnavailable", driver.UnknownOutcome, driver.Unavailable},
		{503, "", driver.UnknownOutcome, driver.Unavailable},
		{504, "", driver.UnknownOutcome, driver.Unavailable},
		{507, "XMinioStorageFull", driver.NoSpace, driver.NoSpace},
		{507, "", driver.UnknownOutcome, driver.NoSpace},
		{599, "Whatever", driver.UnknownOutcome, driver.Unavailable},
	} {
		what := fmt.Sprintf("%d %s", c.status, c.code)
		s.fails(func(*http.Request) awslike.Fault { return awslike.Fault{Status: c.status, Code: c.code} })
		for _, size := range []int{0, 10, 3 << 20} {
			_, err := d.Put(t.Context(), "k", stream{bytes.NewReader(make([]byte, size))}, int64(size), &driver.PutOptions{})
			wantKind(t, fmt.Sprintf("Put of %d bytes: %s", size, what), err, c.write)
		}
		if c.read != none {
			_, err := get(t.Context(), d, "k")
			wantKind(t, "Get: "+what, err, c.read)
			_, err = d.List(t.Context(), &driver.ListOptions{})
			if c.read == driver.NotFound {
				wantKind(t, "List: "+what, err, driver.Internal)
			} else {
				wantKind(t, "List: "+what, err, c.read)
			}
		}
		if c.write != driver.NotFound {
			wantKind(t, "Delete: "+what, d.Delete(t.Context(), "k", &driver.DeleteOptions{}), c.write)
		}
	}
}

// A request is sent once, whatever becomes of it: only Store repeats.
func TestNothingIsRepeated(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	for _, fault := range []awslike.Fault{{Status: 500, Code: "InternalError"}, {Status: 503, Code: "SlowDown"}, {Drop: true}, {Status: 400, Code: "ExpiredToken"}} {
		for name, call := range map[string]func() error{
			"Put": func() error {
				_, err := d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
				return err
			},
			"Head":   func() error { _, err := d.Head(t.Context(), "k"); return err },
			"Get":    func() error { _, err := get(t.Context(), d, "k"); return err },
			"List":   func() error { _, err := d.List(t.Context(), &driver.ListOptions{}); return err },
			"Delete": func() error { return d.Delete(t.Context(), "k", &driver.DeleteOptions{}) },
		} {
			s.fails(func(*http.Request) awslike.Fault { return fault })
			if err := call(); err == nil {
				t.Errorf("%s with %+v succeeded", name, fault)
			}
			most := 1
			if fault.Drop && (name == "Get" || name == "Head" || name == "List") {
				most = 2 // net/http itself asks again on a fresh connection when a kept one turns out to be closed
			}
			if n := s.seen(); n < 1 || n > most {
				t.Errorf("%s with %+v made %d requests", name, fault, n)
			}
		}
	}
}

func TestRetryAfterIsTold(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-5": 0, "99999999999999999999": 0} {
		s.fails(func(*http.Request) awslike.Fault {
			return awslike.Fault{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {header}}}
		})
		_, err := d.List(t.Context(), &driver.ListOptions{})
		_, getErr := get(t.Context(), d, "k")
		_, headErr := d.Head(t.Context(), "k") // without a document: Unavailable, which is retried like Throttled
		for _, err := range []error{err, getErr, headErr} {
			if e, ok := errors.AsType[*driver.Error](err); !ok || e.Kind != driver.Throttled && e.Kind != driver.Unavailable || e.RetryAfter != want {
				t.Errorf("Retry-After %q: %v, %+v", header, err, e)
			}
		}
	}
	later := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	s.fails(func(*http.Request) awslike.Fault {
		return awslike.Fault{Status: 503, Code: "SlowDown", Header: http.Header{"Retry-After": {later}}}
	})
	_, err := d.Head(t.Context(), "k")
	if e, _ := errors.AsType[*driver.Error](err); e == nil || e.RetryAfter < 30*time.Second || e.RetryAfter > time.Minute {
		t.Errorf("Retry-After %s: %v", later, err)
	}
}

// After a write was carried out and its answer lost, the driver says that it does not know, and the object is the new one.
func TestLostAnswersAreUnknown(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 5 << 20} {
		data := bytes.Repeat([]byte{7}, size)
		s.fails(on(http.MethodPut, "", awslike.Fault{After: true, Drop: true}))
		_, err := d.Put(t.Context(), "k", stream{bytes.NewReader(data)}, int64(size), &driver.PutOptions{})
		wantKind(t, fmt.Sprintf("Put of %d bytes", size), err, driver.UnknownOutcome)
		if got, ok := s.Object("k"); !ok || !bytes.Equal(got, data) {
			t.Errorf("the service holds %d bytes, want %d", len(got), size)
		}
	}
	s.fails(on(http.MethodDelete, "", awslike.Fault{After: true, Drop: true}))
	wantKind(t, "Delete", d.Delete(t.Context(), "k", &driver.DeleteOptions{}), driver.UnknownOutcome)
	s.fails(nil)
	id, err := d.Uploads().Create(t.Context(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "k"}
	part, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("part"), 4)
	if err != nil {
		t.Fatal(err)
	}
	s.fails(on(http.MethodPut, "partNumber", awslike.Fault{After: true, Drop: true}))
	_, err = d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("part"), 4)
	wantKind(t, "PutPart", err, driver.UnknownOutcome)
	complete := func() error {
		_, err := d.Uploads().Complete(t.Context(), up, []driver.Part{*part}, &driver.PutOptions{})
		return err
	}
	for _, fault := range []awslike.Fault{{Status: 500, Code: "InternalError"}, {OKDocument: true, Code: "InternalError"}, {OKDocument: true, Code: "SomethingNew"}, {OKDocument: true, Code: "SlowDownWrite"}, {Drop: true}} {
		s.fails(on(http.MethodPost, "uploadId", fault))
		wantKind(t, fmt.Sprintf("Complete with %+v", fault), complete(), driver.UnknownOutcome)
	}
	s.fails(on(http.MethodPost, "uploadId", awslike.Fault{OKDocument: true, Code: "InvalidPart"}))
	wantKind(t, "Complete refused behind a status of success", complete(), driver.InvalidPart)
	s.fails(on(http.MethodPost, "uploadId", awslike.Fault{OKDocument: true, Code: "PreconditionFailed"}))
	wantKind(t, "Complete refused behind a status of success", complete(), driver.PreconditionFailed)
	s.fails(on(http.MethodPost, "uploadId", awslike.Fault{After: true, CutAfter: 20}))
	wantKind(t, "Complete with a cut answer", complete(), driver.UnknownOutcome)
	if got, ok := s.Object("k"); !ok || string(got) != "part" {
		t.Errorf("the service holds %q", got)
	}
}

// A body that did not go out whole changed nothing, and the driver says so.
func TestUnsentBodiesChangeNothing(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	put(t, d, "k", []byte("old"))
	s.server.CloseClientConnections()
	data := make([]byte, 64<<20) // more than buffers between the two hold
	s.fails(on(http.MethodPut, "", awslike.Fault{Drop: true, NoBody: true}))
	_, err := d.Put(t.Context(), "k", stream{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{})
	wantKind(t, "Put whose connection is closed", err, driver.Unavailable)
	s.fails(on(http.MethodPut, "", awslike.Fault{Status: 500, Code: "InternalError", NoBody: true}))
	_, err = d.Put(t.Context(), "k", stream{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{})
	wantKind(t, "Put refused early", err, driver.Unavailable)
	s.fails(nil)
	if got, err := get(t.Context(), d, "k"); err != nil || string(got) != "old" {
		t.Errorf("%q, %v", got, err)
	}
	s.server.Close()
	_, err = d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
	wantKind(t, "Put to a service that is gone", err, driver.Unavailable)
	wantKind(t, "Delete at a service that is gone", d.Delete(t.Context(), "k", &driver.DeleteOptions{}), driver.Unavailable)
}

// A service that says 200 and means something else is not believed where it can be noticed.
func TestFalseSuccess(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	data := make([]byte, 64<<20)
	s.fails(on(http.MethodPut, "", awslike.Fault{EarlyOK: true, NoBody: true}))
	_, err := d.Put(t.Context(), "k", stream{bytes.NewReader(data)}, int64(len(data)), &driver.PutOptions{})
	wantKind(t, "Put answered before its body was sent", err, driver.UnknownOutcome, driver.Unavailable)
	s.fails(nil)
	s.WrongChecksum = true
	for _, size := range []int{5, 2 << 20} {
		_, err = d.Put(t.Context(), "k", stream{bytes.NewReader(data[:size])}, int64(size), &driver.PutOptions{})
		wantKind(t, "Put with another checksum told", err, driver.UnknownOutcome)
		id, err := d.Uploads().Create(t.Context(), "u", func(string) ([]byte, error) { return []byte("n"), nil })
		wantKind(t, "Create whose note is stored with another checksum", err, driver.UnknownOutcome)
		if id != "" || s.Uploads() != 0 {
			t.Errorf("Create left %q, %d uploads", id, s.Uploads())
		}
	}
}

func TestCutAndStalledReads(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, s3.WithTimeouts(&s3.Options{Probe: &perfect}, 200*time.Millisecond, 300*time.Millisecond))
	data := bytes.Repeat([]byte("0123456789"), 50000)
	put(t, d, "k", data)
	for _, cut := range []int64{1, 1000, int64(len(data)) - 1} {
		s.fails(on(http.MethodGet, "", awslike.Fault{After: true, CutAfter: cut}))
		got, err := get(t.Context(), d, "k")
		wantKind(t, "Get of a cut answer", err, driver.Unavailable, driver.Corrupt)
		if !bytes.HasPrefix(data, got) || int64(len(got)) > cut {
			t.Errorf("a cut answer gave %d bytes", len(got))
		}
		s.fails(on(http.MethodGet, "", awslike.Fault{After: true, CutAfter: min(cut, 200)}))
		_, err = d.List(t.Context(), &driver.ListOptions{})
		wantKind(t, "List of a cut answer", err, driver.Unavailable)
	}
	stall := make(chan struct{})
	defer close(stall)
	s.fails(func(*http.Request) awslike.Fault { return awslike.Fault{Stall: stall} })
	_, err := get(t.Context(), d, "k")
	wantKind(t, "Get of a service that does not answer", err, driver.Unavailable)
	_, err = d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
	wantKind(t, "Put at a service that does not answer", err, driver.UnknownOutcome)
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader("x"), &callsAtEnd{then: cancel})
	_, err = d.Put(ctx, "k", body, 1, &driver.PutOptions{})
	wantKind(t, "Put whose ctx ends with its body", err, driver.Canceled, driver.UnknownOutcome)
}

type callsAtEnd struct{ then func() }

func (c *callsAtEnd) Read([]byte) (int, error) {
	c.then()
	return 0, io.EOF
}

// When ctx ends after the last byte was sent nobody knows what the service did.
func TestCanceledAfterTheLastByte(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	stall := make(chan struct{})
	defer close(stall)
	for _, size := range []int{1, 2 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		s.fails(func(r *http.Request) awslike.Fault {
			if r.Method == http.MethodPut {
				_, _ = io.Copy(io.Discard, r.Body)
				cancel()
				return awslike.Fault{Stall: stall}
			}
			return awslike.Fault{}
		})
		_, err := d.Put(ctx, "k", stream{bytes.NewReader(make([]byte, size))}, int64(size), &driver.PutOptions{})
		wantKind(t, fmt.Sprintf("Put of %d bytes", size), err, driver.UnknownOutcome)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := newService(t, false)
	s := newService(t, false)
	d := s.open(t, nil, nil)
	other.fails(nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s.fails(func(r *http.Request) awslike.Fault {
			return awslike.Fault{Status: status, Code: "PermanentRedirect", Header: http.Header{
				"Location": {other.server.URL + r.URL.Path}, "X-Amz-Bucket-Region": {"eu-north-1"},
			}}
		})
		_, err := d.Put(t.Context(), "k", strings.NewReader("x"), 1, &driver.PutOptions{})
		_, headErr := d.Head(t.Context(), "k")
		_, listErr := d.List(t.Context(), &driver.ListOptions{})
		for _, err := range []error{err, headErr, listErr} {
			wantKind(t, fmt.Sprintf("redirect %d", status), err, driver.Unauthenticated)
			if err != nil && !strings.Contains(err.Error(), "eu-north-1") {
				t.Errorf("the region is not told: %v", err)
			}
		}
	}
	if n := other.seen(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

// A note in the folder of another upload is damage, and no upload's.
func TestMisplacedNotes(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	var ups []driver.Upload
	for _, key := range []string{"a", "b"} {
		id, err := d.Uploads().Create(t.Context(), key, func(string) ([]byte, error) { return []byte("note of " + key), nil })
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, driver.Upload{ID: id, Key: key})
	}
	var notes []string
	for _, name := range s.Names() {
		if strings.HasPrefix(name, ".sallyport/uploads/") {
			notes = append(notes, name)
		}
	}
	first, _ := s.Object(notes[0])
	s.Store(notes[1], first)
	damaged := 0
	for _, up := range ups {
		if _, _, err := d.Uploads().Read(t.Context(), up); err != nil {
			wantKind(t, "Read", err, driver.Corrupt)
			damaged++
		}
	}
	page, err := d.Uploads().List(t.Context(), &driver.ListUploadsOptions{})
	if err != nil || len(page.Uploads) != 1 || damaged != 1 {
		t.Errorf("%+v, %v, %d damaged", page, err, damaged)
	}
}

// An error behind a status of success is no list without parts: that would say that the upload is gone.
func TestErrorIsNoListOfParts(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	id, err := d.Uploads().Create(t.Context(), "k", nil)
	if err != nil {
		t.Fatal(err)
	}
	up := driver.Upload{ID: id, Key: "k"}
	if _, err := d.Uploads().PutPart(t.Context(), up, 1, strings.NewReader("text"), 4); err != nil {
		t.Fatal(err)
	}
	s.fails(on(http.MethodGet, "uploadId", awslike.Fault{OKDocument: true, Code: "InternalError"}))
	parts, _, err := d.Uploads().Read(t.Context(), up)
	wantKind(t, "Read", err, driver.Unavailable)
	if len(parts) > 0 {
		t.Errorf("%+v", parts)
	}
	s.fails(nil)
	if parts, _, err = d.Uploads().Read(t.Context(), up); err != nil || len(parts) != 1 || parts[0].Size != 4 || parts[0].ModTime.IsZero() {
		t.Errorf("%+v, %v", parts, err)
	}
}

// Whatever went wrong, no goroutine is left.
func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("calls", func(t *testing.T) {
		s := newService(t, false)
		d := s.openMinIO(t, s3.WithTimeouts(&s3.Options{Probe: &perfect}, time.Second, time.Second))
		put(t, d, "a/b", nil)
		for _, fault := range []awslike.Fault{{}, {Drop: true}, {Status: 503, Code: "SlowDown"}, {Status: 403, NoBody: true}, {After: true, Drop: true}, {After: true, CutAfter: 5}} {
			for _, size := range []int{0, 1, 3 << 20} {
				for _, key := range []string{"a/b", "a", "new/x"} {
					s.fails(on(http.MethodPut, "", fault))
					_ = tryPut(t.Context(), d, key, bytes.NewReader(make([]byte, size)), size)
					_ = tryPut(t.Context(), d, key, bytes.NewReader(make([]byte, size/2)), size)
					ctx, cancel := context.WithCancel(t.Context())
					_ = tryPut(ctx, d, key, io.MultiReader(bytes.NewReader(make([]byte, size/2)), &callsAtEnd{then: cancel}), size)
					s.fails(on(http.MethodGet, "", fault))
					if r, _, err := d.Get(t.Context(), "a/b", &driver.GetOptions{}); err == nil {
						_, _ = r.Read(make([]byte, 1))
						_ = r.Close()
					}
				}
			}
		}
	})
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// A full page costs one request.
func TestFullPagesCostOneRequest(t *testing.T) {
	s := newService(t, false)
	d := s.open(t, nil, nil)
	for i := range 2500 {
		s.Store(fmt.Sprintf("bucket/%05d", i), nil)
	}
	for i := range 1500 {
		s.Store(fmt.Sprintf(".sallyport/uploads/%064x/%d", i, i), nil)
	}
	s.fails(nil)
	total, pages := 0, 0
	for opts := (driver.ListOptions{Prefix: "bucket/"}); ; pages++ {
		page, err := d.List(t.Context(), &opts)
		if err != nil {
			t.Fatal(err)
		}
		total += len(page.Entries)
		if !page.More {
			break
		}
		opts.After = page.Entries[len(page.Entries)-1].Name()
	}
	if total != 2500 || s.seen() != 3 {
		t.Errorf("%d entries in %d requests", total, s.seen())
	}
	s.fails(nil)
	page, err := d.List(t.Context(), &driver.ListOptions{Limit: 1})
	if err != nil || len(page.Entries) != 1 || page.Entries[0].Key != "bucket/00000" || !page.More || s.seen() > 2 {
		t.Errorf("%+v, %v, %d requests past the gateway's own files", page, err, s.seen())
	}
}

// An early refusal is told as what it is, also while the look for clashes is still out.
func TestEarlyRefusalBeatsTheLook(t *testing.T) {
	s := newService(t, false)
	d := s.openMinIO(t, nil)
	stall := make(chan struct{})
	defer close(stall)
	s.fails(func(r *http.Request) awslike.Fault {
		if r.Method == http.MethodPut {
			return awslike.Fault{Status: 403, Code: "AccessDenied", NoBody: true}
		}
		return awslike.Fault{Stall: stall}
	})
	const size = 1<<20 + 1 // all but its end fits into the buffers between the two
	_, err := d.Put(t.Context(), "k", stream{bytes.NewReader(make([]byte, size))}, size, &driver.PutOptions{})
	wantKind(t, "Put refused early", err, driver.Denied)
}
