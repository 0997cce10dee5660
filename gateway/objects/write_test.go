package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/checksum"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

var errStrange = errors.New("only the caller knows this error")

// TestBodiesThatFail leaves the old object, names the kind and keeps the cause, whatever goes wrong with the body and wherever.
func TestBodiesThatFail(t *testing.T) {
	w := newWorld(t, worldOptions{})
	value, err := checksum.ParseValue(checksum.CRC32, "AAAAAA==")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 1000, 16384, 70_000, 1<<20 + 1, 3 << 20} {
		plain := content(4, n)
		cut := func(at int) io.Reader {
			return io.MultiReader(bytes.NewReader(plain[:at]), iotest.ErrReader(errStrange))
		}
		for what, tc := range map[string]struct {
			body   *checksum.Reader
			kind   Kind
			reason checksum.Reason // 0 = errStrange
		}{
			"wrong MD5":      {checksum.NewReader(bytes.NewReader(plain), &checksum.Options{Size: int64(n), ContentMD5: new([16]byte)}), BadDigest, checksum.BadContentMD5},
			"wrong checksum": {checksum.NewReader(bytes.NewReader(append(plain, 1)), &checksum.Options{Size: int64(n + 1), Value: value}), ChecksumMismatch, checksum.ChecksumMismatch},
			"wrong payload hash": {
				checksum.NewReader(bytes.NewReader(plain), &checksum.Options{Size: int64(n), PayloadSHA256: new([32]byte)}), BadDigest, checksum.PayloadSHA256Mismatch,
			},
			"trailer missing": {checksum.NewReader(bytes.NewReader(plain), &checksum.Options{
				Size: int64(n), Trailer: checksum.CRC32, TrailerValue: func() (string, bool) { return "", false },
			}), InvalidRequest, checksum.InvalidTrailer},
			"shorter":                        {checksum.NewReader(bytes.NewReader(plain[:n/2]), &checksum.Options{Size: int64(n/2 + 1)}), IncompleteBody, checksum.Incomplete},
			"longer":                         {checksum.NewReader(bytes.NewReader(append(plain, 1)), &checksum.Options{Size: int64(n)}), IncompleteBody, checksum.TooLong},
			"fails at the start":             {checksum.NewReader(cut(0), &checksum.Options{Size: int64(n)}), IncompleteBody, 0},
			"fails in the middle":            {checksum.NewReader(cut(n/2), &checksum.Options{Size: int64(n)}), IncompleteBody, 0},
			"fails at the end":               {checksum.NewReader(cut(n), &checksum.Options{Size: int64(n)}), IncompleteBody, 0},
			"fails at the end, size unknown": {checksum.NewReader(cut(n), &checksum.Options{Size: -1}), IncompleteBody, 0},
		} {
			what = fmt.Sprint(what, " of ", n)
			w.put("k", []byte("old"))
			size := int64(n)
			if tc.body.Size() >= 0 {
				size = tc.body.Size()
			}
			_, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: tc.body})
			wantKind(t, what, err, tc.kind)
			c, ok := errors.AsType[*checksum.Error](err)
			if tc.reason == 0 && !errors.Is(err, errStrange) || tc.reason != 0 && (!ok || c.Reason != tc.reason) {
				t.Errorf("%s: the cause is lost: %v", what, err)
			}
			if got := w.mustGet("k"); string(got) != "old" {
				t.Fatalf("%s: the old object is %d bytes", what, len(got))
			}
			_, err = w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "new", Size: size, Body: tc.body})
			if err == nil {
				t.Fatalf("%s: a body that failed before was stored", what)
			}
			if l := w.list(ListInput{Prefix: "new"}); len(l.Objects) > 0 {
				t.Fatalf("%s: something was stored", what)
			}
		}
	}
}

// TestSizeThatTheBodyDoesNotHave relies on PutInput.Size alone.
func TestSizeThatTheBodyDoesNotHave(t *testing.T) {
	w := newWorld(t, worldOptions{})
	for _, size := range []int64{0, 5, 9, 11, 16384, 1 << 20} {
		_, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: size, Body: checksum.NewReader(strings.NewReader("ten bytes."), nil)})
		wantKind(t, fmt.Sprint("size ", size), err, IncompleteBody)
	}
	if l := w.list(ListInput{}); len(l.Objects) > 0 {
		t.Errorf("stored %+v", l.Objects)
	}
}

// untouched is a body that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestRefusedBeforeTheBody(t *testing.T) {
	w := newWorld(t, worldOptions{backend: mem.New(&mem.Options{MaxKey: 900, MaxObject: 1 << 20})})
	w.put("there", []byte("x"))
	long := strings.Repeat("v", 3200)
	for what, tc := range map[string]struct {
		change func(*PutInput)
		want   Kind
	}{
		"metadata above the budget":  {func(in *PutInput) { in.Metadata = map[string]string{"a": long} }, MetadataTooLarge},
		"upper-case name":            {func(in *PutInput) { in.Metadata = map[string]string{"A": "x"} }, InvalidArgument},
		"key empty":                  {func(in *PutInput) { in.Key = "" }, InvalidKey},
		"key with NUL":               {func(in *PutInput) { in.Key = "a\x00b" }, InvalidKey},
		"key not UTF-8":              {func(in *PutInput) { in.Key = "a\xff" }, InvalidKey},
		"key above S3's limit":       {func(in *PutInput) { in.Key = strings.Repeat("k", 1025) }, KeyTooLong},
		"key above the backend's":    {func(in *PutInput) { in.Key = strings.Repeat("k", 890) }, KeyTooLong},
		"size unknown":               {func(in *PutInput) { in.Size = -1 }, InvalidArgument},
		"size above S3's limit":      {func(in *PutInput) { in.Size = 5<<30 + 1 }, EntityTooLarge},
		"ciphertext above MaxObject": {func(in *PutInput) { in.Size = 1 << 20 }, EntityTooLarge},
		"If-Match on nothing":        {func(in *PutInput) { in.Key, in.Conditions.IfMatch = "none", "x" }, NoSuchKey},
		"If-Match on another":        {func(in *PutInput) { in.Conditions.IfMatch = "x" }, PreconditionFailed},
		"both conditions":            {func(in *PutInput) { in.Conditions = WriteConditions{IfNoneMatch: true, IfMatch: "x"} }, InvalidRequest},
	} {
		in := &PutInput{Bucket: bucketName, Key: "there", Size: 10, Body: checksum.NewReader(untouched{t}, nil)}
		tc.change(in)
		wantKind(t, what, second(w.Put(t.Context(), in)), tc.want)
	}
	if got := w.mustGet("there"); string(got) != "x" {
		t.Errorf("the object is %q", got)
	}
	if n := len(w.list(ListInput{}).Objects); n != 1 {
		t.Errorf("%d objects", n)
	}
}

func TestConditionsTheBackendLacks(t *testing.T) {
	conditions := map[string]WriteConditions{"If-None-Match": {IfNoneMatch: true}, "If-Match": {IfMatch: "x"}}
	for what, c := range conditions {
		w := newWorld(t, worldOptions{backend: mem.New(&mem.Options{MaxKey: 2048, NoPutIfMatch: true, NoConditionalDelete: true})})
		if c.IfNoneMatch {
			caps := driver.Capabilities{PutIfMatch: true, CompleteIfNoneMatch: true}
			wantKind(t, what, c.check(caps, 1), Unsupported)
			caps = driver.Capabilities{PutIfNoneMatch: true, SplitAbove: 10}
			if err := c.check(caps, 10); err != nil {
				t.Error(err)
			}
			wantKind(t, what+" of a split body", c.check(caps, 11), Unsupported)
			continue
		}
		_, err := w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: 1, Body: checksum.NewReader(untouched{t}, nil), Conditions: c})
		wantKind(t, what, err, Unsupported)
		put := w.put("k", []byte("x"))
		wantKind(t, "delete", w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: put.ETag}), Unsupported)
		if got := w.mustGet("k"); string(got) != "x" {
			t.Errorf("the object is %q", got)
		}
	}
}

func TestConditionalWrites(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		for _, customer := range []*CustomerKey{nil, customerKey(t, 3)} {
			w := newWorld(t, worldOptions{etag: policy})
			put := func(content string, c WriteConditions) (*PutOutput, error) {
				return w.Put(t.Context(), &PutInput{
					Bucket: bucketName, Key: "k", Size: int64(len(content)), Body: bodyOf([]byte(content)), Conditions: c, CustomerKey: customer,
				})
			}
			first, err := put("1", WriteConditions{IfNoneMatch: true})
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, "If-None-Match again", second(put("2", WriteConditions{IfNoneMatch: true})), PreconditionFailed)
			wantKind(t, "If-Match of another", second(put("2", WriteConditions{IfMatch: md5Hex([]byte("?"))})), PreconditionFailed)
			next, err := put("2", WriteConditions{IfMatch: first.ETag})
			if err != nil {
				t.Fatal(err)
			}
			wantKind(t, "If-Match of the old one", second(put("3", WriteConditions{IfMatch: first.ETag})), PreconditionFailed)
			wantKind(t, "delete of the old one", w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: first.ETag}), PreconditionFailed)
			if got, _, err := w.get(&GetInput{Key: "k", CustomerKey: customer}); err != nil || string(got) != "2" {
				t.Errorf("object is %q, %v", got, err)
			}
			if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: next.ETag}); err != nil {
				t.Error(err)
			}
			wantKind(t, "delete of nothing", w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: next.ETag}), NoSuchKey)
			wantKind(t, "delete of nothing, any", w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: "*"}), NoSuchKey)
			wantKind(t, "If-Match on nothing", second(put("4", WriteConditions{IfMatch: next.ETag})), NoSuchKey)
			if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k"}); err != nil {
				t.Errorf("plain delete of nothing: %v", err)
			}
			w.put("k", []byte("5"))
			if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: "*"}); err != nil {
				t.Errorf("delete of any: %v", err)
			}
			if n := len(w.list(ListInput{}).Objects); n != 0 {
				t.Errorf("%d objects are left", n)
			}
		}
	}
}

// between is a backend on which something happens just before a conditional change.
type between struct {
	driver.Driver
	then func()
}

func (b *between) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	b.fire(opts.IfMatch)
	return b.Driver.Put(ctx, key, body, size, opts)
}

func (b *between) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	b.fire(opts.IfMatch)
	return b.Driver.Delete(ctx, key, opts)
}

func (b *between) fire(ifMatch string) {
	if f := b.then; f != nil && ifMatch != "" {
		b.then = nil
		f()
	}
}

// TestOvertaken changes the object between the comparison of its tail and the backend's own.
func TestOvertaken(t *testing.T) {
	b := &between{}
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { b.Driver = d; return b }})
	overtakers := map[string]struct {
		then func()
		want Kind
	}{
		"by other content":     {func() { w.put("k", []byte("newer")) }, PreconditionFailed},
		"by the same content":  {func() { w.put("k", []byte("old")) }, Conflict},
		"by a delete":          {func() { _ = w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k"}) }, NoSuchKey},
		"by a customer's copy": {func() { w.put("k", []byte("old"), withKey(customerKey(t, 1))) }, PreconditionFailed},
	}
	for _, what := range []string{"PUT", "DELETE", "copy"} {
		for by, tc := range maps.All(overtakers) {
			old := w.put("k", []byte("old"))
			w.put("source", []byte("source"))
			b.then = tc.then
			var err error
			switch what {
			case "PUT":
				_, err = w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Size: 4, Body: bodyOf([]byte("mine")), Conditions: WriteConditions{IfMatch: old.ETag}})
			case "DELETE":
				err = w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "k", IfMatch: old.ETag})
			case "copy":
				_, err = w.Copy(t.Context(), &CopyInput{
					Source: CopySource{Bucket: bucketName, Key: "source"}, Bucket: bucketName, Key: "k", Conditions: WriteConditions{IfMatch: old.ETag},
				})
			}
			wantKind(t, what+" overtaken "+by, err, tc.want)
			if got, _, err := w.get(&GetInput{Key: "k"}); err == nil && (string(got) == "mine" || string(got) == "source") {
				t.Errorf("%s overtaken %s took effect", what, by)
			}
		}
	}
}

func TestMetadataBudgetEdge(t *testing.T) {
	w := newWorld(t, worldOptions{})
	meta := &object.Metadata{Bucket: bucketName, Key: "k", UserMetadata: map[string]string{"a": ""}}
	fits := 0
	for n := object.MetadataBudget; n > 0; n-- {
		meta.UserMetadata["a"] = strings.Repeat("v", n)
		if meta.CheckBudget() == nil {
			fits = n
			break
		}
	}
	value := strings.Repeat("v", fits)
	w.put("k", []byte("x"), func(in *PutInput) { in.Metadata = map[string]string{"a": value} })
	if out, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "k"}); err != nil || out.Metadata["a"] != value {
		t.Errorf("metadata at the edge: %v", err)
	}
}
