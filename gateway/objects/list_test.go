package objects

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sallyport/crypto/object"

	"sallyport/crypto/vault"
	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// counted counts the calls that reach the backend, and the most Gets at one time.
type counted struct {
	driver.Driver
	gets, lists, others atomic.Int64
	now, most           atomic.Int64
	block               chan struct{} // when set, every Get waits for it
}

func (c *counted) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	c.gets.Add(1)
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
	}
	if c.block != nil && !strings.HasPrefix(key, ".sallyport/") {
		select {
		case <-c.block:
		case <-ctx.Done():
			return nil, nil, &driver.Error{Kind: driver.Canceled, Op: "Get", Err: ctx.Err()}
		}
	}
	return c.Driver.Get(ctx, key, opts)
}

func (c *counted) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	c.lists.Add(1)
	return c.Driver.List(ctx, opts)
}

func (c *counted) Head(ctx context.Context, key string) (*driver.Info, error) {
	c.others.Add(1)
	return c.Driver.Head(ctx, key)
}

func countedWorld(t testing.TB, opts worldOptions) (*world, *counted) {
	c := &counted{}
	opts.wrap = func(d driver.Driver) driver.Driver { c.Driver = d; return c }
	return newWorld(t, opts), c
}

func names(out *ListOutput) (all []string) {
	for _, o := range out.Objects {
		all = append(all, o.Key)
	}
	return all
}

func TestListPages(t *testing.T) {
	w := newWorld(t, worldOptions{})
	keys := []string{"a", "a/1", "a/2", "a/2/x", "b", "b--1", "b--2", "c//d", "é", "日本", "𝄞", strings.Repeat("k", 1000), "%2F", "a b+c", ".."}
	for _, k := range keys {
		w.put(k, []byte(k))
	}
	if err := w.CreateBucket(t.Context(), bucketName+"-2"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(t.Context(), &PutInput{Bucket: bucketName + "-2", Key: "other", Body: bodyOf(nil)}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	for _, q := range []ListInput{{}, {Delimiter: "/"}, {Delimiter: "--"}, {Prefix: "a"}, {Prefix: "a/", Delimiter: "/"}, {Delimiter: "/", After: "a/1"}, {Prefix: "none"}, {After: "b"}} {
		want := w.list(q)
		if q.Delimiter == "" && q.Prefix == "" && q.After == "" && !slices.Equal(names(want), keys) {
			t.Errorf("all: %q", names(want))
		}
		for _, limit := range []int{1, 2, 3, 7} {
			for _, byToken := range []bool{true, false} {
				var objects, prefixes []string
				in := q
				for in.Limit = limit; ; {
					out := w.list(in)
					objects = append(objects, names(out)...)
					prefixes = append(prefixes, out.Prefixes...)
					if n := len(out.Objects) + len(out.Prefixes); n > limit || out.More && n < limit {
						t.Fatalf("%+v: page of %d", in, n)
					}
					if out.More != (out.NextToken != "") {
						t.Fatalf("%+v: more %v, token %q", in, out.More, out.NextToken)
					}
					if !out.More {
						break
					}
					if strings.Contains(out.NextToken, out.Last) && len(out.Last) > 3 {
						t.Errorf("token %q shows %q", out.NextToken, out.Last)
					}
					if in.Token, in.After = "", out.Last; byToken {
						in.Token, in.After = out.NextToken, q.After
					}
				}
				if !slices.Equal(objects, names(want)) || !slices.Equal(prefixes, want.Prefixes) {
					t.Errorf("%+v in pages of %d: %q and %q, want %q and %q", q, limit, objects, prefixes, names(want), want.Prefixes)
				}
			}
		}
	}
	zero, err := w.List(t.Context(), &ListInput{Bucket: bucketName, Limit: 0})
	if err != nil || zero.More || zero.NextToken != "" || len(zero.Objects) > 0 {
		t.Errorf("limit 0: %+v, %v", zero, err)
	}
}

func TestListToken(t *testing.T) {
	w := newWorld(t, worldOptions{})
	for i := range 5 {
		w.put(fmt.Sprint("p/", i), nil)
	}
	if err := w.CreateBucket(t.Context(), "another-bucket"); err != nil {
		t.Fatal(err)
	}
	token := w.list(ListInput{Prefix: "p/", Delimiter: "/", Limit: 2}).NextToken
	if got := names(w.again().list(ListInput{Prefix: "p/", Delimiter: "/", Token: token, After: "p/3"})); !slices.Equal(got, []string{"p/2", "p/3", "p/4"}) {
		t.Errorf("another gateway goes on with %q", got)
	}
	for what, in := range map[string]ListInput{
		"bucket":    {Bucket: "another-bucket", Prefix: "p/", Delimiter: "/", Token: token},
		"prefix":    {Bucket: bucketName, Prefix: "p", Delimiter: "/", Token: token},
		"delimiter": {Bucket: bucketName, Prefix: "p/", Token: token},
		"token":     {Bucket: bucketName, Prefix: "p/", Delimiter: "/", Token: "p/1"},
	} {
		in.Limit = 10
		wantKind(t, "another "+what, second(w.List(t.Context(), &in)), InvalidArgument)
	}
}

// TestListCosts counts what a page costs the backend.
func TestListCosts(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		w, c := countedWorld(t, worldOptions{etag: policy})
		const n = 150
		for i := range n {
			w.put(fmt.Sprintf("%03d", i), []byte{byte(i)})
		}
		w.put("customer", nil, withKey(customerKey(t, 1)))
		cost := func(w *world, what string, wantGets, wantLists int64) {
			t.Helper()
			c.gets.Store(0)
			c.lists.Store(0)
			if got := len(w.list(ListInput{}).Objects); got != n+1 {
				t.Fatalf("%d objects", got)
			}
			if c.gets.Load() != wantGets || c.lists.Load() != wantLists || c.others.Load() != 0 {
				t.Errorf("%s, %s: %d gets, %d lists, %d others", policy, what, c.gets.Load(), c.lists.Load(), c.others.Load())
			}
		}
		cost(w, "what this gateway wrote", 0, 1)
		other := w.again()
		_, _ = other.HeadBucket(t.Context(), bucketName) // its record
		want := int64(n + 1)
		if policy == vault.ETagOpaque {
			want = 0
		}
		cost(other, "cold", want, 1)
		cost(other, "warm", 0, 1)
	}
}

func TestListReadsTailsInParallelAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := countedWorld(t, worldOptions{})
		for i := range 3 * tailReads {
			w.put(fmt.Sprint(i), nil)
		}
		other := w.again()
		_, _ = other.HeadBucket(t.Context(), bucketName)
		c.block = make(chan struct{})
		var lists sync.WaitGroup
		for range 3 {
			lists.Go(func() { other.list(ListInput{}) })
		}
		synctest.Wait() // until nothing moves any more
		if n := c.now.Load(); n != tailReads {
			t.Errorf("%d tails are being read at a time", n)
		}
		close(c.block)
		lists.Wait()
		if most := c.most.Load(); most > tailReads {
			t.Errorf("%d tails were read at a time", most)
		}
	})
}

func TestListCanceled(t *testing.T) {
	w, c := countedWorld(t, worldOptions{})
	for i := range 10 {
		w.put(fmt.Sprint(i), nil)
	}
	other := w.again()
	_, _ = other.HeadBucket(t.Context(), bucketName)
	c.block = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- second(other.List(ctx, &ListInput{Bucket: bucketName, Limit: 10})) }()
	c.block <- struct{}{} // the first tail was asked for
	cancel()
	wantKind(t, "list", <-done, Canceled)
}

// TestListWhatIsNotOurs shows foreign and damaged files, so that they can be found and deleted, and fails no page.
func TestListWhatIsNotOurs(t *testing.T) {
	w := newWorld(t, worldOptions{})
	put := w.put("good", []byte("good"))
	foreign := w.plant("foreign", make([]byte, 4095))
	w.plant("empty", nil)
	sized := w.plant("foreign of our size", make([]byte, 4096+100))
	broken := w.stored("good")
	broken[len(broken)-1] ^= 1
	damaged := w.plant("damaged", broken)
	moved := w.plant("moved", w.stored("good"))
	out := w.again().list(ListInput{})
	want := []ListedObject{
		{Key: "damaged", Size: 4, ETag: object.OpaqueETag(damaged.ETag)},
		{Key: "empty", Size: 0},
		{Key: "foreign", Size: 4095, ETag: object.OpaqueETag(foreign.ETag)},
		{Key: "foreign of our size", Size: 100, ETag: object.OpaqueETag(sized.ETag)},
		{Key: "good", Size: 4, ETag: put.ETag},
		{Key: "moved", Size: 4, ETag: object.OpaqueETag(moved.ETag)},
	}
	if len(out.Objects) != len(want) || out.Foreign != 2 || out.Unopened != 3 {
		t.Fatalf("%+v", out)
	}
	for i, o := range out.Objects {
		if o.Key != want[i].Key || o.Size != want[i].Size || want[i].ETag != "" && o.ETag != want[i].ETag {
			t.Errorf("%+v, want %+v", o, want[i])
		}
	}
	for _, o := range out.Objects {
		if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: o.Key}); err != nil {
			t.Errorf("delete %q: %v", o.Key, err)
		}
	}
}

// changing replaces or removes an object right after it was listed.
type changing struct {
	driver.Driver
	after func()
}

func (c *changing) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	page, err := c.Driver.List(ctx, opts)
	if c.after != nil && !strings.HasPrefix(opts.Prefix, ".sallyport") {
		c.after()
	}
	return page, err
}

// TestListWhileObjectsChange never pairs the size of one revision with the ETag of another.
func TestListWhileObjectsChange(t *testing.T) {
	c := &changing{}
	w := newWorld(t, worldOptions{wrap: func(d driver.Driver) driver.Driver { c.Driver = d; return c }})
	w.put("replaced", []byte("1"))
	w.put("removed", nil)
	w.put("foreign", []byte("1"))
	w.put("stays", nil)
	var next *PutOutput
	c.after = func() {
		next = w.put("replaced", []byte("longer than before"))
		_ = w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: "removed"})
		w.plant("foreign", []byte("foreign"))
	}
	out := w.again().list(ListInput{})
	c.after = nil
	if got := names(out); !slices.Equal(got, []string{"foreign", "replaced", "stays"}) {
		t.Fatalf("%q", got)
	}
	if o := out.Objects[1]; o.Size != 18 || o.ETag != next.ETag {
		t.Errorf("replaced: %+v, want %+v", o, next)
	}
	if o := out.Objects[0]; o.Size != 7 || out.Foreign != 1 {
		t.Errorf("foreign: %+v, %d", o, out.Foreign)
	}
}

func TestListOfALockedVault(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("k", nil)
	w.vault.Lock()
	for what, err := range map[string]error{
		"LIST":         second(w.List(t.Context(), &ListInput{Bucket: bucketName, Limit: 1})),
		"GET":          second(w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "k"})),
		"PUT":          second(w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Body: bodyOf(nil)})),
		"PUT with key": second(w.Put(t.Context(), &PutInput{Bucket: bucketName, Key: "k", Body: bodyOf(nil), CustomerKey: customerKey(t, 1)})),
		"HEAD bucket":  second(w.HeadBucket(t.Context(), bucketName)),
	} {
		wantKind(t, what, err, Locked)
	}
}

func BenchmarkListWarm(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkListWarm(b, nil) })
	b.Run("folder", func(b *testing.B) {
		folder, err := local.Open(b.Context(), &local.Config{Path: b.TempDir(), Durability: "off"}, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = folder.Close() })
		benchmarkListWarm(b, folder)
	})
}

func benchmarkListWarm(b *testing.B, backend driver.Driver) {
	const objects = 20_000
	w := newWorld(b, worldOptions{backend: backend})
	for i := range objects {
		w.put(fmt.Sprintf("folder/%d/file-%06d", i%100, i), nil)
	}
	for b.Loop() {
		n := 0
		for in := (&ListInput{Bucket: bucketName, Limit: 1000}); ; {
			out, err := w.List(b.Context(), in)
			if err != nil || out.Unopened > 0 {
				b.Fatal(err, out.Unopened)
			}
			n += len(out.Objects)
			if in.Token = out.NextToken; !out.More {
				break
			}
		}
		if n != objects {
			b.Fatal(n)
		}
	}
}
