package objects

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sallyport/crypto/vault"
)

// modelled is what a bucket holds by the rules of S3 alone.
type modelled struct {
	plain    []byte
	etag     string
	content  Content
	customer byte // which customer key, 0 = none
}

// machine drives a service and the model with the same calls.
type machine struct {
	w       *world
	policy  vault.ETagPolicy
	objects map[string]*modelled
	keys    map[byte]*CustomerKey
}

// TestModel compares random sequences of operations with an in-memory model of S3.
func TestModel(t *testing.T) {
	for _, policy := range []vault.ETagPolicy{vault.ETagMD5, vault.ETagOpaque} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, worldOptions{etag: policy})
			keys := map[byte]*CustomerKey{0: nil, 1: customerKey(t, 1), 2: customerKey(t, 2)}
			rapid.Check(t, func(rt *rapid.T) {
				m := &machine{w: w, policy: policy, keys: keys, objects: map[string]*modelled{}}
				for _, o := range w.list(ListInput{}).Objects { // one vault for all sequences: making one is slow
					if err := w.Delete(t.Context(), &DeleteInput{Bucket: bucketName, Key: o.Key}); err != nil {
						rt.Fatal(err)
					}
				}
				rt.Repeat(map[string]func(*rapid.T){
					"put": m.put, "get": m.get, "head": m.head, "delete": m.delete, "copy": m.copy, "list": m.list, "": m.check,
				})
			})
		})
	}
}

func (m *machine) key(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"a", "a/b", "a/c", "b", "é", "a//"}).Draw(t, label)
}

func (m *machine) content(t *rapid.T) Content {
	c := Content{}
	if rapid.Bool().Draw(t, "has metadata") {
		c.Metadata = map[string]string{"m": rapid.String().Draw(t, "metadata")}
		c.Headers = map[string]string{"content-type": "t/" + rapid.StringN(0, 5, -1).Draw(t, "type")}
	}
	return c
}

// etag draws the ETag of a key, or of another, or none that exists.
func (m *machine) etag(t *rapid.T, label string) string {
	if o := m.objects[m.key(t, label)]; o != nil {
		return o.etag
	}
	return md5Hex([]byte("nothing"))
}

func (m *machine) customer(t *rapid.T, label string) byte {
	return rapid.SampledFrom([]byte{0, 0, 0, 1, 2}).Draw(t, label)
}

// expect holds an outcome to the kind the model predicts; 0 = success. It returns whether the call succeeded.
func expect(t *rapid.T, what string, err error, want Kind) bool {
	if want == 0 && err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if want != 0 && kindOf(err) != want {
		t.Fatalf("%s: %v, want kind %d", what, err, want)
	}
	return err == nil
}

func (m *machine) conditions(t *rapid.T, existing *modelled) (c WriteConditions, want Kind) {
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 0:
		if c.IfNoneMatch = true; existing != nil {
			want = PreconditionFailed
		}
	case 1:
		c.IfMatch = m.etag(t, "if-match of")
		if existing == nil {
			want = NoSuchKey
		} else if existing.etag != c.IfMatch {
			want = PreconditionFailed
		}
	}
	return c, want
}

func (m *machine) put(t *rapid.T) {
	key, customer := m.key(t, "key"), m.customer(t, "customer")
	size := rapid.OneOf(rapid.IntRange(0, 40), rapid.SampledFrom([]int{16383, 16384, 16385, 61_000, 65_536, 100_000})).Draw(t, "size")
	plain := content(rapid.Uint64Range(0, 50).Draw(t, "seed"), size)
	c, want := m.conditions(t, m.objects[key])
	in := &PutInput{
		Bucket: bucketName, Key: key, Size: int64(size), Body: bodyOf(plain), CustomerKey: m.keys[customer], Conditions: c, Content: m.content(t),
	}
	out, err := m.w.Put(m.w.t.Context(), in)
	if expect(t, "put "+key, err, want) {
		m.stored(t, key, &modelled{plain, out.ETag, in.Content, customer})
	}
}

func (m *machine) stored(t *rapid.T, key string, o *modelled) {
	if own := m.policy == vault.ETagMD5 && o.customer == 0; own != (o.etag == md5Hex(o.plain)) {
		t.Fatalf("%s: ETag %q", key, o.etag)
	}
	m.objects[key] = o
}

// readKind is what reading o with a customer key leads to, before conditions and ranges.
func readKind(o *modelled, customer byte) Kind {
	switch {
	case o == nil:
		return NoSuchKey
	case o.customer == customer:
		return 0
	case o.customer == 0:
		return CustomerKeyUnwanted
	case customer == 0:
		return CustomerKeyRequired
	}
	return CustomerKeyWrong
}

// keyFor draws mostly the key that fits.
func (m *machine) keyFor(t *rapid.T, o *modelled) byte {
	if o != nil && rapid.IntRange(0, 4).Draw(t, "right key") > 0 {
		return o.customer
	}
	return m.customer(t, "customer")
}

func (m *machine) readInput(t *rapid.T) (in *GetInput, o *modelled, off, length int64, want Kind) {
	in = &GetInput{Bucket: bucketName, Key: m.key(t, "key")}
	o = m.objects[in.Key]
	customer := m.keyFor(t, o)
	in.CustomerKey = m.keys[customer]
	if want = readKind(o, customer); o == nil {
		return in, o, 0, 0, want
	}
	size := int64(len(o.plain))
	off, length = 0, size
	if rapid.Bool().Draw(t, "with range") {
		in.Range = &RangeSpec{First: rapid.Int64Range(0, size+1).Draw(t, "first"), Last: -1}
		if rapid.Bool().Draw(t, "with last") {
			in.Range.Last = in.Range.First + rapid.Int64Range(0, 70_000).Draw(t, "more")
		}
		var ok bool
		if off, length, ok = in.Range.within(size); !ok && want == 0 {
			want = InvalidRange
		}
	}
	if want == 0 || want == InvalidRange {
		switch etag := m.etag(t, "condition on"); rapid.IntRange(0, 3).Draw(t, "read condition") {
		case 0:
			if in.Conditions.IfMatch = []string{etag}; etag != o.etag {
				want = PreconditionFailed
			}
		case 1:
			if in.Conditions.IfNoneMatch = []string{etag}; etag == o.etag {
				want = NotModified
			}
		}
	}
	return in, o, off, length, want
}

func (m *machine) get(t *rapid.T) {
	in, o, off, length, want := m.readInput(t)
	got, out, err := m.w.get(in)
	if !expect(t, "get "+in.Key, err, want) {
		return
	}
	if !bytes.Equal(got, o.plain[off:off+length]) {
		t.Fatalf("get %s: %d bytes of %d at %d", in.Key, len(got), length, off)
	}
	m.same(t, in, o, out)
}

func (m *machine) head(t *rapid.T) {
	in, o, _, _, want := m.readInput(t)
	out, err := m.w.Head(m.w.t.Context(), in)
	if expect(t, "head "+in.Key, err, want) {
		m.same(t, in, o, out)
	}
}

func (m *machine) same(t *rapid.T, in *GetInput, o *modelled, out *GetOutput) {
	if out.ETag != o.etag || out.Size != int64(len(o.plain)) || out.Partial != (in.Range != nil) || out.Customer != (o.customer != 0) {
		t.Fatalf("%s: %+v", in.Key, out)
	}
	if diff := gocmp.Diff(filled(o.content), filled(out.Content)); diff != "" {
		t.Fatalf("%s: %s", in.Key, diff)
	}
}

// filled makes absent and empty maps the same.
func filled(c Content) Content {
	return Content{Headers: maps.Collect(maps.All(c.Headers)), Metadata: maps.Collect(maps.All(c.Metadata))}
}

func (m *machine) delete(t *rapid.T) {
	in := &DeleteInput{Bucket: bucketName, Key: m.key(t, "key")}
	o, want := m.objects[in.Key], Kind(0)
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 0:
		in.IfMatch = m.etag(t, "if-match of")
	case 1:
		in.IfMatch = "*"
	}
	switch {
	case in.IfMatch == "":
	case o == nil:
		want = NoSuchKey
	case in.IfMatch != "*" && in.IfMatch != o.etag:
		want = PreconditionFailed
	}
	if expect(t, "delete "+in.Key, m.w.Delete(m.w.t.Context(), in), want) {
		delete(m.objects, in.Key)
	}
}

func (m *machine) copy(t *rapid.T) {
	from, to := m.key(t, "from"), m.key(t, "to")
	o := m.objects[from]
	sourceKey, customer := m.keyFor(t, o), m.customer(t, "destination's customer")
	in := &CopyInput{
		Source: CopySource{Bucket: bucketName, Key: from, CustomerKey: m.keys[sourceKey]}, Bucket: bucketName, Key: to, CustomerKey: m.keys[customer],
		Replace: rapid.Bool().Draw(t, "replace"),
	}
	content := m.content(t)
	if in.Replace {
		in.Content = content
	} else if o != nil {
		content = o.content
	}
	want := readKind(o, sourceKey)
	if want == 0 && from == to && !in.Replace && sourceKey == customer {
		want = InvalidRequest
	}
	var refused Kind
	if in.Conditions, refused = m.conditions(t, m.objects[to]); want == 0 {
		want = refused
	}
	out, err := m.w.Copy(m.w.t.Context(), in)
	if expect(t, fmt.Sprint("copy ", from, " to ", to), err, want) {
		m.stored(t, to, &modelled{o.plain, out.ETag, content, customer})
	}
}

func (m *machine) list(t *rapid.T) {
	in := ListInput{
		Prefix:    rapid.SampledFrom([]string{"", "a", "a/", "z"}).Draw(t, "prefix"),
		Delimiter: rapid.SampledFrom([]string{"", "/"}).Draw(t, "delimiter"),
		Limit:     rapid.IntRange(1, 4).Draw(t, "limit"),
	}
	w := m.w
	if rapid.IntRange(0, 9).Draw(t, "cold cache") == 0 {
		w = w.again()
	}
	var objects []ListedObject
	var prefixes []string
	for {
		out := w.list(in)
		objects, prefixes = append(objects, out.Objects...), append(prefixes, out.Prefixes...)
		if in.Token = out.NextToken; !out.More {
			break
		}
	}
	wantPrefixes := map[string]bool{}
	var wantObjects []ListedObject
	for key, o := range m.objects {
		rest, ok := strings.CutPrefix(key, in.Prefix)
		if before, _, found := strings.Cut(rest, "/"); ok && found && in.Delimiter != "" {
			wantPrefixes[in.Prefix+before+"/"] = true
		} else if ok {
			wantObjects = append(wantObjects, ListedObject{Key: key, Size: int64(len(o.plain)), ETag: o.etag})
		}
	}
	slices.SortFunc(wantObjects, func(a, b ListedObject) int { return cmp.Compare(a.Key, b.Key) })
	for i := range objects {
		objects[i].ModTime = ListedObject{}.ModTime
	}
	if !slices.Equal(objects, wantObjects) || !slices.Equal(prefixes, slices.Sorted(maps.Keys(wantPrefixes))) {
		t.Fatalf("list %+v: %+v and %q, want %+v and %v", in, objects, prefixes, wantObjects, wantPrefixes)
	}
}

// check holds after every step.
func (m *machine) check(t *rapid.T) {
	if n := len(m.w.list(ListInput{}).Objects); n != len(m.objects) {
		t.Fatalf("%d objects, want %d", n, len(m.objects))
	}
	if open := len(m.w.gate.writers); open != 0 {
		t.Fatal(errors.New("a write is still noted as under way"))
	}
}
