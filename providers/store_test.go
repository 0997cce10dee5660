package providers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/mem"
)

// What a caller gets wrong never reaches the backend.
func TestStoreRefusesBeforeTheBackend(t *testing.T) {
	b := newBench(t, nil, providers.StoreOptions{}, mem.Options{MaxObject: 100, MaxPart: 50, MaxKey: 10, NoCopyPart: true, NoConditionalDelete: true, NoPutIfMatch: true, NoCompleteIfNoneMatch: true})
	ctx, s, u := t.Context(), b.store, b.store.Uploads()
	put := func(key string, size int64, opts *driver.PutOptions) error {
		_, err := s.Put(ctx, key, strings.NewReader("x"), size, opts)
		return err
	}
	get := func(opts driver.GetOptions) error { _, _, err := s.Get(ctx, "k", &opts); return err }
	list := func(opts driver.ListOptions) error { _, err := s.List(ctx, &opts); return err }
	uploads := func(opts driver.ListUploadsOptions) error { _, err := u.List(ctx, &opts); return err }
	good := driver.Upload{ID: "id", Key: "k"}
	part := func(up driver.Upload, n int, size int64) error {
		_, err := u.PutPart(ctx, up, n, strings.NewReader("x"), size)
		return err
	}
	complete := func(opts *driver.PutOptions, parts ...driver.Part) error {
		_, err := u.Complete(ctx, good, parts, opts)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		want driver.Kind
	}{
		"empty key":               {put("", 1, nil), driver.InvalidKey},
		"long key":                {put(strings.Repeat("x", 11), 1, nil), driver.InvalidKey},
		"NUL":                     {put("a\x00", 1, nil), driver.InvalidKey},
		"not UTF-8":               {put("\xff", 1, nil), driver.InvalidKey},
		"negative size":           {put("k", -1, nil), driver.Internal},
		"too large":               {put("k", 101, nil), driver.TooLarge},
		"both conditions":         {put("k", 1, &driver.PutOptions{IfNoneMatch: true, IfMatch: "x"}), driver.Internal},
		"no IfMatch":              {put("k", 1, &driver.PutOptions{IfMatch: "x"}), driver.Unsupported},
		"Head":                    {func() error { _, err := s.Head(ctx, ""); return err }(), driver.InvalidKey},
		"Delete":                  {s.Delete(ctx, "\xff", nil), driver.InvalidKey},
		"conditional Delete":      {s.Delete(ctx, "k", &driver.DeleteOptions{IfMatch: "x"}), driver.Unsupported},
		"negative offset":         {get(driver.GetOptions{Offset: -1}), driver.InvalidRange},
		"negative length":         {get(driver.GetOptions{Length: -1}), driver.InvalidRange},
		"negative suffix":         {get(driver.GetOptions{Suffix: -1}), driver.InvalidRange},
		"suffix and offset":       {get(driver.GetOptions{Suffix: 1, Offset: 1}), driver.InvalidRange},
		"suffix and length":       {get(driver.GetOptions{Suffix: 1, Length: 1}), driver.InvalidRange},
		"Get":                     {func() error { _, _, err := s.Get(ctx, "\x00", nil); return err }(), driver.InvalidKey},
		"negative limit":          {list(driver.ListOptions{Limit: -1}), driver.Internal},
		"large limit":             {list(driver.ListOptions{Limit: 1001}), driver.Internal},
		"prefix":                  {list(driver.ListOptions{Prefix: "\xff"}), driver.InvalidKey},
		"delimiter":               {list(driver.ListOptions{Delimiter: "\x00"}), driver.InvalidKey},
		"after":                   {list(driver.ListOptions{After: "\xc3"}), driver.InvalidKey},
		"uploads limit":           {uploads(driver.ListUploadsOptions{Limit: 1001}), driver.Internal},
		"uploads prefix":          {uploads(driver.ListUploadsOptions{Prefix: "\xff"}), driver.InvalidKey},
		"uploads after":           {uploads(driver.ListUploadsOptions{After: "\xff"}), driver.InvalidKey},
		"uploads id":              {uploads(driver.ListUploadsOptions{After: "k", UploadAfter: "\xff"}), driver.InvalidKey},
		"Create":                  {func() error { _, err := u.Create(ctx, "", nil); return err }(), driver.InvalidKey},
		"part 0":                  {part(good, 0, 1), driver.InvalidPart},
		"part 10001":              {part(good, 10001, 1), driver.InvalidPart},
		"negative part":           {part(good, 1, -1), driver.Internal},
		"large part":              {part(good, 1, 51), driver.TooLarge},
		"no id":                   {part(driver.Upload{Key: "k"}, 1, 1), driver.NoSuchUpload},
		"strange id":              {part(driver.Upload{ID: "\xff", Key: "k"}, 1, 1), driver.NoSuchUpload},
		"long id":                 {part(driver.Upload{ID: strings.Repeat("x", 1025), Key: "k"}, 1, 1), driver.NoSuchUpload},
		"upload without key":      {part(driver.Upload{ID: "x"}, 1, 1), driver.NoSuchUpload},
		"CopyPart":                {func() error { _, err := u.CopyPart(ctx, good, 1, "k", 0, 1, ""); return err }(), driver.Unsupported},
		"note name":               {u.Note(ctx, good, "../x", nil), driver.InvalidKey},
		"note size":               {u.Note(ctx, good, "x", make([]byte, providers.MaxNote+1)), driver.TooLarge},
		"note of nothing":         {u.Note(ctx, driver.Upload{}, "x", nil), driver.NoSuchUpload},
		"Read":                    {func() error { _, _, err := u.Read(ctx, driver.Upload{}); return err }(), driver.NoSuchUpload},
		"Abort":                   {u.Abort(ctx, driver.Upload{}), driver.NoSuchUpload},
		"no parts":                {complete(nil), driver.InvalidPart},
		"descending":              {complete(nil, driver.Part{N: 2, ETag: "x"}, driver.Part{N: 1, ETag: "x"}), driver.InvalidPart},
		"twice":                   {complete(nil, driver.Part{N: 2, ETag: "x"}, driver.Part{N: 2, ETag: "x"}), driver.InvalidPart},
		"part without ETag":       {complete(nil, driver.Part{N: 2}), driver.InvalidPart},
		"part number":             {complete(nil, driver.Part{N: 10001, ETag: "x"}), driver.InvalidPart},
		"too many parts":          {complete(nil, make([]driver.Part, 10001)...), driver.InvalidPart},
		"conditional Complete":    {complete(&driver.PutOptions{IfNoneMatch: true}, driver.Part{N: 1, ETag: "x"}), driver.Unsupported},
		"Complete two conditions": {complete(&driver.PutOptions{IfNoneMatch: true, IfMatch: "x"}, driver.Part{N: 1, ETag: "x"}), driver.Internal},
	} {
		if c.err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if e, ok := errors.AsType[*driver.Error](c.err); !ok || e.Kind != c.want || e.Provider != "test" {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	if calls := b.below.Calls(); len(calls) != 0 {
		t.Errorf("the backend saw %+v", calls)
	}
}

func TestStoreTakesNoOptions(t *testing.T) {
	b := newBench(t, nil, providers.StoreOptions{}, mem.Options{})
	ctx := t.Context()
	if _, err := b.store.Put(ctx, "k", strings.NewReader("x"), 1, nil); err != nil {
		t.Error(err)
	}
	if r, _, err := b.store.Get(ctx, "k", nil); err != nil || r.Close() != nil {
		t.Error(err)
	}
	if page, err := b.store.List(ctx, nil); err != nil || len(page.Entries) != 1 {
		t.Error(page, err)
	}
	if _, err := b.store.Uploads().List(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := b.store.Delete(ctx, "k", nil); err != nil {
		t.Error(err)
	}
	if b.store.Name() != "test" || b.store.Capabilities() != b.raw.Capabilities() {
		t.Error("name or capabilities")
	}
}

// A decorator that forgets a method would fall back on the embedded driver and skip retries, limits or counting without a word.
func TestStorePassesEveryCallThroughAllLayers(t *testing.T) {
	sink := &recorder{}
	raw := mem.New(&mem.Options{})
	s := providers.Open("test", raw, &providers.StoreOptions{Sink: sink})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ops := map[string]error{}
	up, part := driver.Upload{ID: "x", Key: "k"}, driver.Part{N: 1, ETag: "x"}
	u := s.Uploads()
	_, ops["Put"] = s.Put(ctx, "k", strings.NewReader(""), 0, nil)
	_, _, ops["Get"] = s.Get(ctx, "k", nil)
	_, ops["Head"] = s.Head(ctx, "k")
	ops["Delete"] = s.Delete(ctx, "k", nil)
	_, ops["List"] = s.List(ctx, nil)
	_, ops["Uploads.Create"] = u.Create(ctx, "k", nil)
	_, ops["Uploads.PutPart"] = u.PutPart(ctx, up, 1, strings.NewReader(""), 0)
	_, ops["Uploads.CopyPart"] = u.CopyPart(ctx, up, 1, "k", 0, 1, "")
	ops["Uploads.Note"] = u.Note(ctx, up, "0", nil)
	_, _, ops["Uploads.Read"] = u.Read(ctx, up)
	_, ops["Uploads.Complete"] = u.Complete(ctx, up, []driver.Part{part}, nil)
	ops["Uploads.Abort"] = u.Abort(ctx, up)
	_, ops["Uploads.List"] = u.List(ctx, nil)
	_, ops["Uploads.Stale"] = u.Stale(ctx, time.Now())
	for op, err := range ops {
		wantKind(t, err, driver.Canceled)
		if e, _ := errors.AsType[*driver.Error](err); e.Op != op {
			t.Errorf("%s fails as %q", op, e.Op)
		}
	}
	methods := reflect.TypeFor[driver.Driver]().NumMethod() + reflect.TypeFor[driver.Uploads]().NumMethod() - 3 // Capabilities, Close, Uploads
	if len(sink.calls) != len(ops) || len(ops) != methods {
		t.Errorf("%d calls counted, %d made, %d methods", len(sink.calls), len(ops), methods)
	}
	for _, c := range sink.calls {
		if _, ok := ops[c.Op]; !ok || !c.Failed || c.Kind != driver.Canceled {
			t.Errorf("counted %+v", c)
		}
	}
}

func TestRegistry(t *testing.T) {
	broken := errors.New("broken")
	r := providers.Registry{
		"mem": func(_ context.Context, decode func(any) error) (driver.Driver, error) {
			var config struct{ Limit int64 }
			if err := decode(&config); err != nil {
				return nil, err
			}
			return mem.New(&mem.Options{MaxObject: config.Limit}), nil
		},
		"broken": func(context.Context, func(any) error) (driver.Driver, error) { return nil, broken },
		"absent": func(context.Context, func(any) error) (driver.Driver, error) { return nil, nil }, //nolint:nilnil // what a faulty factory does.
	}
	decode := func(config any) error {
		reflect.ValueOf(config).Elem().FieldByName("Limit").SetInt(7)
		return nil
	}
	d, err := r.Open(t.Context(), "mem", decode)
	if err != nil || d.Capabilities().MaxObject != 7 {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := r.Open(t.Context(), "mem", func(any) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a config that is wrong: %v", err)
	}
	if _, err := r.Open(t.Context(), "broken", decode); !errors.Is(err, broken) {
		t.Errorf("a factory that fails: %v", err)
	}
	if _, err := r.Open(t.Context(), "absent", decode); err == nil {
		t.Error("a factory that returns nothing passed")
	}
	if _, err := r.Open(t.Context(), "memory", decode); err == nil || !strings.Contains(err.Error(), "absent, broken, mem") {
		t.Errorf("an unknown type: %v", err)
	}
}

// hoarder keeps the bodies it was given and reads them when it should not.
type hoarder struct {
	driver.Driver
	bodies []io.Reader
}

func TestBodiesAreRevoked(t *testing.T) {
	h := &hoarder{Driver: mem.New(&mem.Options{})}
	s := providers.Open("test", h, nil)
	for range 3 {
		_, err := s.Put(t.Context(), "k", bytes.NewBufferString("secret of one body"), 18, nil)
		wantKind(t, err, driver.Denied)
	}
	for _, late := range h.bodies {
		if n, err := late.Read(make([]byte, 100)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("a body gave %d bytes after its call had returned", n)
		}
	}
	if len(h.bodies) != 3 {
		t.Errorf("%d bodies", len(h.bodies))
	}
}

func (h *hoarder) Put(_ context.Context, key string, body io.Reader, _ int64, _ *driver.PutOptions) (*driver.Info, error) {
	h.bodies = append(h.bodies, body)
	return nil, &driver.Error{Kind: driver.Denied, Op: "Put", Key: key}
}
