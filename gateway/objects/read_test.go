package objects

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRanges(t *testing.T) {
	first := func(a, b int64) *RangeSpec { return &RangeSpec{First: a, Last: b} }
	suffix := func(n int64) *RangeSpec { return &RangeSpec{HasSuffix: true, Suffix: n} }
	w := newWorld(t, worldOptions{})
	type test struct {
		spec        *RangeSpec
		off, length int64 // length 0 = unsatisfiable
	}
	for _, n := range []int64{0, 1, 16384, 16385, 200_000} {
		plain := content(3, int(n))
		key := fmt.Sprint(n)
		w.put(key, plain)
		tests := []test{{first(n, -1), 0, 0}, {first(n, n+5), 0, 0}, {first(n+1, -1), 0, 0}, {suffix(0), 0, 0}, {first(5, 4), 0, 0}, {first(-1, -1), 0, 0}}
		if n > 0 {
			tests = append(tests, test{first(0, -1), 0, n}, test{first(0, 0), 0, 1}, test{first(n-1, -1), n - 1, 1}, test{first(0, n), 0, n},
				test{first(n-1, n+100), n - 1, 1}, test{suffix(1), n - 1, 1}, test{suffix(n), 0, n}, test{suffix(n + 1), 0, n}, test{first(0, 1<<62), 0, n})
		} else {
			tests = append(tests, test{first(0, -1), 0, 0}, test{suffix(5), 0, 0})
		}
		if n > 16384 {
			tests = append(tests, test{first(16383, 16384), 16383, 2}, test{first(16384, 16384), 16384, 1}, test{first(1, n-2), 1, n - 2})
		}
		for _, tc := range tests {
			what := fmt.Sprintf("%+v of %d bytes", *tc.spec, n)
			got, out, err := w.get(&GetInput{Key: key, Range: tc.spec})
			head, headErr := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key, Range: tc.spec})
			if tc.length == 0 {
				wantKind(t, what, err, InvalidRange)
				wantKind(t, "HEAD "+what, headErr, InvalidRange)
				if e, ok := errors.AsType[*Error](err); ok && e.ActualSize != n {
					t.Errorf("%s: actual size %d", what, e.ActualSize)
				}
				continue
			}
			if err != nil || headErr != nil {
				t.Errorf("%s: %v, HEAD %v", what, err, headErr)
				continue
			}
			if !bytes.Equal(got, plain[tc.off:tc.off+tc.length]) || out.Offset != tc.off || out.Length != tc.length || !out.Partial || out.Size != n {
				t.Errorf("%s: %d bytes, answer %d+%d partial %v size %d", what, len(got), out.Offset, out.Length, out.Partial, out.Size)
			}
			ignore := cmpopts.IgnoreFields(GetOutput{}, "Body")
			if diff := cmp.Diff(out, head, ignore, cmpopts.IgnoreUnexported(GetOutput{})); diff != "" {
				t.Errorf("%s: HEAD differs: %s", what, diff)
			}
		}
	}
}

func TestObjectOfSeveralParts(t *testing.T) {
	for _, customer := range []*CustomerKey{nil, customerKey(t, 5)} {
		w := newWorld(t, worldOptions{})
		a, b, c := content(1, 5<<20), content(2, 5<<20+777), content(3, 100)
		whole := bytes.Join([][]byte{a, b, c}, nil)
		meta := w.plantParts("multi", customer, part{2, a}, part{5, b}, part{10000, c})
		got, out, err := w.get(&GetInput{Key: "multi", CustomerKey: customer})
		if err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if out.Parts != 3 || customer == nil && out.ETag != meta.ETag || out.Partial {
			t.Errorf("GET says %+v", out)
		}
		for number, want := range map[int]struct {
			off   int
			plain []byte
		}{2: {0, a}, 5: {len(a), b}, 10000: {len(a) + len(b), c}} {
			got, out, err := w.get(&GetInput{Key: "multi", PartNumber: number, CustomerKey: customer})
			if err != nil || !bytes.Equal(got, want.plain) {
				t.Fatalf("part %d: %d bytes, %v", number, len(got), err)
			}
			if out.Offset != int64(want.off) || out.Length != int64(len(want.plain)) || out.PartSize != out.Length || !out.Partial || out.PartChecksum == nil {
				t.Errorf("part %d: %+v", number, out)
			}
			head, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "multi", PartNumber: number, CustomerKey: customer})
			if err != nil || head.Offset != out.Offset || head.Length != out.Length || head.Size != int64(len(whole)) {
				t.Errorf("HEAD part %d: %+v, %v", number, head, err)
			}
		}
		for _, number := range []int{1, 3, 9999} {
			_, _, err := w.get(&GetInput{Key: "multi", PartNumber: number, CustomerKey: customer})
			wantKind(t, fmt.Sprint("part ", number), err, InvalidRange)
		}
		for _, edge := range []int{1, len(a) - 1, len(a), len(a) + len(b) - 1, len(a) + len(b), len(whole) - 1} {
			spec := &RangeSpec{First: int64(edge - 1), Last: int64(edge)}
			if got, _, err := w.get(&GetInput{Key: "multi", Range: spec, CustomerKey: customer}); err != nil || !bytes.Equal(got, whole[edge-1:edge+1]) {
				t.Errorf("range at %d: %d bytes, %v", edge, len(got), err)
			}
		}
		checkPartList(t, w, customer, a, b, c)
	}
}

func checkPartList(t *testing.T, w *world, customer *CustomerKey, parts ...[]byte) {
	t.Helper()
	numbers := []int{2, 5, 10000}
	var all []PartInfo
	for after, more := 0, true; more; {
		out, err := w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: "multi", CustomerKey: customer}, After: after, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		if more = out.More; len(out.PartList) == 0 || len(out.PartList) > 2 {
			t.Fatalf("page of %d", len(out.PartList))
		}
		all = append(all, out.PartList...)
		after = all[len(all)-1].Number
	}
	if len(all) != len(parts) {
		t.Fatalf("%d parts", len(all))
	}
	for i, p := range all {
		if p.Number != numbers[i] || p.Size != int64(len(parts[i])) || p.ETag != md5Hex(parts[i]) || p.Checksum == nil || len(p.Checksum.Value) != 8 {
			t.Errorf("part %+v", p)
		}
	}
}

func TestPartNumberOfObjectsOfOneFrame(t *testing.T) {
	w := newWorld(t, worldOptions{})
	w.put("put", []byte("content"))
	w.put("empty", nil)
	w.plantParts("one", nil, part{4, []byte("only part")})
	w.plantParts("last empty", nil, part{1, content(1, 5<<20)}, part{2, nil})
	for _, tc := range []struct {
		key     string
		number  int
		want    string
		partial bool
		kind    Kind
	}{
		{"put", 1, "content", true, 0},
		{"put", 2, "", false, InvalidRange},
		{"empty", 1, "", false, 0},
		{"empty", 2, "", false, InvalidRange},
		{"one", 4, "only part", true, 0},
		{"one", 1, "", false, InvalidRange},
		{"last empty", 2, "", false, 0},
		{"last empty", 1, string(content(1, 5<<20)), true, 0},
	} {
		what := fmt.Sprint(tc.key, " part ", tc.number)
		got, out, err := w.get(&GetInput{Key: tc.key, PartNumber: tc.number})
		if tc.kind != 0 {
			wantKind(t, what, err, tc.kind)
			continue
		}
		if err != nil || string(got) != tc.want || out.Partial != tc.partial {
			t.Errorf("%s: %q, %+v, %v", what, got, out, err)
		}
	}
	if _, out, err := w.get(&GetInput{Key: "one", PartNumber: 4}); err != nil || out.Parts != 1 || out.PartChecksum.Value != "BBBBBA==" || !out.Checksum.Composite {
		t.Errorf("part 4: %+v, %v", out, err)
	}
	for key, want := range map[string]int{"put": 0, "one": 1} {
		out, err := w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: key}, Limit: 1000})
		if err != nil || len(out.PartList) != want || out.More || out.Parts != want {
			t.Errorf("%s: %+v, %v", key, out, err)
		}
	}
}

func TestReadConditions(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 300_000_000, time.UTC)
	second := now.Truncate(time.Second)
	before, after := second.Add(-time.Second), second.Add(time.Second)
	const etag = "0123456789abcdef0123456789abcdef"
	yes, no, any := []string{"x", etag}, []string{"x", "y"}, []string{"*"}
	for _, tc := range []struct {
		what string
		c    ReadConditions
		want Kind // Internal = none
	}{
		{"none", ReadConditions{}, 0},
		{"match", ReadConditions{IfMatch: yes}, 0},
		{"match any", ReadConditions{IfMatch: any}, 0},
		{"no match", ReadConditions{IfMatch: no}, PreconditionFailed},
		{"none match", ReadConditions{IfNoneMatch: yes}, NotModified},
		{"none match any", ReadConditions{IfNoneMatch: any}, NotModified},
		{"none match another", ReadConditions{IfNoneMatch: no}, 0},
		{"modified since before", ReadConditions{IfModifiedSince: before}, 0},
		{"modified since that second", ReadConditions{IfModifiedSince: second}, NotModified},
		{"modified since after", ReadConditions{IfModifiedSince: after}, NotModified},
		{"unmodified since before", ReadConditions{IfUnmodifiedSince: before}, PreconditionFailed},
		{"unmodified since that second", ReadConditions{IfUnmodifiedSince: second}, 0},
		{"unmodified since after", ReadConditions{IfUnmodifiedSince: after}, 0},
		{"match wins over unmodified", ReadConditions{IfMatch: yes, IfUnmodifiedSince: before}, 0},
		{"no match wins over unmodified", ReadConditions{IfMatch: no, IfUnmodifiedSince: after}, PreconditionFailed},
		{"another wins over modified", ReadConditions{IfNoneMatch: no, IfModifiedSince: after}, 0},
		{"none match wins over modified", ReadConditions{IfNoneMatch: yes, IfModifiedSince: before}, NotModified},
		{"412 before 304", ReadConditions{IfMatch: no, IfNoneMatch: yes}, PreconditionFailed},
		{"match and none match", ReadConditions{IfMatch: yes, IfNoneMatch: yes}, NotModified},
		{"unmodified before none match", ReadConditions{IfUnmodifiedSince: before, IfNoneMatch: yes}, PreconditionFailed},
		{"unmodified and modified", ReadConditions{IfUnmodifiedSince: after, IfModifiedSince: after}, NotModified},
	} {
		for _, source := range []bool{false, true} {
			want := tc.want
			if source && want == NotModified {
				want = PreconditionFailed
			}
			err := tc.c.check(etag, now, source)
			switch {
			case want == 0:
				if err != nil {
					t.Errorf("%s: %v", tc.what, err)
				}
			default:
				wantKind(t, tc.what, err, want)
			}
			if e, ok := errors.AsType[*Error](err); ok && want == NotModified && e.ETag != etag {
				t.Errorf("%s: NotModified shows ETag %q", tc.what, e.ETag)
			}
		}
	}
}

func TestConditionsOfGetAndHead(t *testing.T) {
	w := newWorld(t, worldOptions{})
	put := w.put("k", []byte("x"))
	for _, c := range []ReadConditions{{IfMatch: []string{"other"}}, {IfNoneMatch: []string{put.ETag}}, {IfModifiedSince: put.ModTime}} {
		_, _, err := w.get(&GetInput{Key: "k", Conditions: c, Range: &RangeSpec{First: 100, Last: -1}})
		_, headErr := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "k", Conditions: c})
		_, partsErr := w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: "k", Conditions: c}})
		want := NotModified
		if len(c.IfMatch) > 0 {
			want = PreconditionFailed
		}
		for _, err := range []error{err, headErr, partsErr} {
			wantKind(t, fmt.Sprintf("%+v", c), err, want)
		}
	}
}

// TestCustomerKeys holds every way to read an object to the key it is sealed with.
func TestCustomerKeys(t *testing.T) {
	w := newWorld(t, worldOptions{})
	right, wrong := customerKey(t, 1), customerKey(t, 2)
	for _, n := range []int{0, 1, 100_000} {
		own, theirs := fmt.Sprint("vault", n), fmt.Sprint("customer", n)
		w.put(own, content(1, n))
		w.put(theirs, content(1, n), withKey(right))
		reads := map[string]func(key string, k *CustomerKey) error{
			"GET": func(key string, k *CustomerKey) error {
				_, _, err := w.get(&GetInput{Key: key, CustomerKey: k})
				return err
			},
			"range": func(key string, k *CustomerKey) error {
				_, _, err := w.get(&GetInput{Key: key, CustomerKey: k, Range: &RangeSpec{First: 0, Last: -1}})
				if n == 0 && kindOf(err) == InvalidRange {
					return nil
				}
				return err
			},
			"part": func(key string, k *CustomerKey) error {
				_, _, err := w.get(&GetInput{Key: key, CustomerKey: k, PartNumber: 1})
				return err
			},
			"HEAD": func(key string, k *CustomerKey) error {
				_, err := w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: key, CustomerKey: k})
				return err
			},
			"parts": func(key string, k *CustomerKey) error {
				_, err := w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: key, CustomerKey: k}})
				return err
			},
			"conditions that fail": func(key string, k *CustomerKey) error {
				_, _, err := w.get(&GetInput{Key: key, CustomerKey: k, Conditions: ReadConditions{IfMatch: []string{"nothing"}}})
				if kindOf(err) == PreconditionFailed {
					return nil
				}
				return err
			},
			"copy source": func(key string, k *CustomerKey) error {
				_, err := w.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: bucketName, Key: key, CustomerKey: k}, Bucket: bucketName, Key: "copy"})
				return err
			},
		}
		for what, read := range reads {
			what = fmt.Sprint(what, " of ", n)
			if err := read(own, nil); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if err := read(theirs, right); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			wantKind(t, what+" without key", read(theirs, nil), CustomerKeyRequired)
			wantKind(t, what+" with wrong key", read(theirs, wrong), CustomerKeyWrong)
			wantKind(t, what+" with unwanted key", read(own, right), CustomerKeyUnwanted)
		}
	}
}

func TestAbsence(t *testing.T) {
	w := newWorld(t, worldOptions{})
	for what, err := range map[string]error{
		"GET":    second(w.Get(t.Context(), &GetInput{Bucket: bucketName, Key: "none"})),
		"HEAD":   second(w.Head(t.Context(), &GetInput{Bucket: bucketName, Key: "none"})),
		"parts":  second(w.Parts(t.Context(), &PartsInput{GetInput: GetInput{Bucket: bucketName, Key: "none"}})),
		"source": second(w.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: bucketName, Key: "none"}, Bucket: bucketName, Key: "k"})),
	} {
		wantKind(t, what, err, NoSuchKey)
	}
	for _, bucket := range []string{"no-such-bucket", ".sallyport", "..", "", "a/b", "UPPER"} {
		for what, err := range map[string]error{
			"GET":           second(w.Get(t.Context(), &GetInput{Bucket: bucket, Key: "k"})),
			"PUT":           second(w.Put(t.Context(), &PutInput{Bucket: bucket, Key: "k", Body: bodyOf(nil)})),
			"copy":          second(w.Copy(t.Context(), &CopyInput{Source: CopySource{Bucket: bucketName, Key: "none"}, Bucket: bucket, Key: "k"})),
			"LIST":          second(w.List(t.Context(), &ListInput{Bucket: bucket, Limit: 1})),
			"HEAD bucket":   second(w.HeadBucket(t.Context(), bucket)),
			"DELETE":        w.Delete(t.Context(), &DeleteInput{Bucket: bucket, Key: "k"}),
			"DELETE bucket": w.DeleteBucket(t.Context(), bucket),
		} {
			wantKind(t, what+" in "+bucket, err, NoSuchBucket)
		}
	}
}

func second[T any](_ T, err error) error { return err }
