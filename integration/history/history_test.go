package history_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/integration/history"
)

func etag(value string) string {
	sum := md5.Sum(history.Body(value))
	return hex.EncodeToString(sum[:])
}

func TestBodies(t *testing.T) {
	for _, value := range []string{"c1.0/20", "c8.79/1", "c1.2/90000", "c1.1/0"} {
		b := history.Body(value)
		if got, ok := history.ValueOf(b); !ok || got != value {
			t.Errorf("%q, %t; want %q", got, ok, value)
		}
		for _, spoilt := range [][]byte{b[:len(b)-1], append(slices.Clone(b), 0), append(slices.Clone(b), b...), b[1:], append([]byte("c9"), b[2:]...)} {
			if got, ok := history.ValueOf(spoilt); ok && got == value || ok && len(b) > 40 {
				t.Errorf("%q spoilt passes for %q", value, got)
			}
		}
	}
	if _, ok := history.ValueOf(nil); ok {
		t.Error("nothing passes for a value")
	}
}

// register is the simplest honest target: one lock.
type register struct {
	mu      sync.Mutex
	objects map[string]history.Seen
	uploads map[string]string // open ones: value by id
	mistake func(op *history.Op, s history.Seen) bool
}

func newRegister() *register {
	return &register{objects: map[string]history.Seen{}, uploads: map[string]string{}}
}

func (r *register) Begin(_ context.Context, _ int, _, value string) (id, tag string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uploads[value] = value
	return value, "", true
}

func (r *register) Do(_ context.Context, op *history.Op) history.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, ok := r.objects[op.Key]
	if r.mistake != nil && r.mistake(op, now) {
		return history.Result{Outcome: history.Done, ETag: now.ETag}
	}
	want, value := op.IfMatch, op.Value
	if op.Kind == history.Copy {
		source, there := r.objects[op.Source]
		if !there {
			return history.Result{Outcome: history.NotFound}
		}
		if op.SourceIfMatch != nil && op.SourceIfMatch.ETag != source.ETag {
			return history.Result{Outcome: history.Refused}
		}
		value = source.Value
	}
	if op.Kind == history.Complete {
		if _, open := r.uploads[op.Upload.ID]; !open {
			return history.Result{Outcome: history.NoUpload}
		}
	}
	switch {
	case op.IfNoneMatch && ok, want != nil && ok && want.ETag != now.ETag:
		return history.Result{Outcome: history.Refused}
	case want != nil && !ok, !ok && (op.Kind == history.Get || op.Kind == history.Head || op.Kind == history.List):
		return history.Result{Outcome: history.NotFound}
	}
	switch op.Kind {
	case history.Get:
		return history.Result{Value: now.Value, ETag: now.ETag}
	case history.Head, history.List:
		return history.Result{ETag: now.ETag}
	case history.Delete:
		delete(r.objects, op.Key)
		return history.Result{}
	case history.Complete:
		delete(r.uploads, op.Upload.ID)
		part := md5.Sum(history.Body(op.Value))
		sum := md5.Sum(part[:])
		r.objects[op.Key] = history.Seen{Value: op.Value, ETag: hex.EncodeToString(sum[:]) + "-1"}
	case history.Put, history.Copy:
		r.objects[op.Key] = history.Seen{Value: value, ETag: etag(value)}
	case history.Begin:
	}
	return history.Result{ETag: r.objects[op.Key].ETag}
}

func TestHonestTargetPasses(t *testing.T) {
	count := &history.Count{}
	for seed := range uint64(200) {
		for _, md5 := range []bool{true, false} {
			h := (&history.Runner{Target: newRegister(), Backoff: time.Microsecond}).Run(t.Context(), history.NewPlan(seed, &history.Options{MD5: md5}))
			if err := h.Check(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			if len(h.Ops) > history.MaxOps {
				t.Fatalf("%d operations", len(h.Ops))
			}
			count.Add(h)
		}
	}
	t.Log(count)
	for k := history.Get; k <= history.Complete; k++ {
		if k != history.Begin && count.Of(k, history.Done) < 100 {
			t.Errorf("%s was done only %d times", k, count.Of(k, history.Done))
		}
	}
}

// TestMistakesAreFound has the register answer "done" to something that it did not do.
func TestMistakesAreFound(t *testing.T) {
	for name, mistake := range map[string]func(op *history.Op, now history.Seen) bool{
		"delete that leaves the object": func(op *history.Op, now history.Seen) bool { return op.Kind == history.Delete && now.Value != "" },
		"condition that did not hold":   func(op *history.Op, now history.Seen) bool { return op.IfNoneMatch && now.Value != "" },
		"a read of nothing":             func(op *history.Op, now history.Seen) bool { return op.Kind == history.Head && now.Value == "" },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				r := newRegister()
				r.mistake = mistake
				h := (&history.Runner{Target: r, Backoff: time.Microsecond}).Run(t.Context(), history.NewPlan(seed, &history.Options{MD5: true}))
				if err := h.Check(t.TempDir()); err != nil {
					return
				}
			}
			t.Error("not found in 20 histories")
		})
	}
}

// op is a short way to write a history: from and to are steps of the clock.
func op(client int, from, to int64, o history.Op, r history.Result) *history.Op {
	o.Client, o.Call, o.Return, o.Result = client, from, to, r
	if o.Key == "" {
		o.Key = "k"
	}
	return &o
}

func TestVerdicts(t *testing.T) {
	const a, b = "c1.0/20", "c2.0/20"
	put := func(v string) history.Op { return history.Op{Kind: history.Put, Value: v} }
	putIf := func(v, over string) history.Op {
		return history.Op{Kind: history.Put, Value: v, IfMatch: &history.Seen{Value: over, ETag: etag(over)}}
	}
	create := func(v string) history.Op { return history.Op{Kind: history.Put, Value: v, IfNoneMatch: true} }
	get, del := history.Op{Kind: history.Get}, history.Op{Kind: history.Delete}
	done := func(v string) history.Result { return history.Result{ETag: etag(v), Value: v} }
	wrote := func(v string) history.Result { return history.Result{ETag: etag(v)} }
	only := func(o history.Outcome) history.Result { return history.Result{Outcome: o} }
	absent, unknown := only(history.NotFound), only(history.Unknown)
	up := &history.Upload{Number: 1, Key: "k", Value: a}
	complete := history.Op{Kind: history.Complete, Value: a, Upload: up}
	partETag := func() string {
		part := md5.Sum(history.Body(a))
		sum := md5.Sum(part[:])
		return hex.EncodeToString(sum[:]) + "-1"
	}()
	completed := history.Result{ETag: partETag}
	gotA := history.Result{Value: a, ETag: partETag}
	touch := history.Op{Kind: history.Copy, Source: "k"}
	copied := history.Op{Kind: history.Copy, Source: "k", Key: "k2"}
	get2 := history.Op{Kind: history.Get, Key: "k2"}

	for name, c := range map[string]struct {
		ops  []*history.Op
		fine bool
	}{
		"read what was written":          {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(2, 3, 4, get, done(a))}, true},
		"read too old":                   {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, put(b), wrote(b)), op(2, 5, 6, get, done(a))}, false},
		"either while it is written":     {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 8, put(b), wrote(b)), op(2, 4, 5, get, done(a)), op(2, 6, 7, get, done(b))}, true},
		"back while it is written":       {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 8, put(b), wrote(b)), op(2, 4, 5, get, done(b)), op(2, 6, 7, get, done(a))}, false},
		"gone after a delete":            {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, del, only(history.Done)), op(2, 5, 6, get, absent)}, true},
		"ghost after a delete":           {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, del, only(history.Done)), op(2, 5, 6, get, done(a))}, false},
		"lost":                           {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(2, 3, 4, get, absent)}, false},
		"unknown and happened late":      {[]*history.Op{op(1, 1, 2, put(a), unknown), op(2, 3, 4, get, absent), op(2, 5, 6, get, done(a))}, true},
		"unknown and never happened":     {[]*history.Op{op(1, 1, 2, put(a), unknown), op(2, 3, 4, get, absent), op(2, 5, 6, create(b), wrote(b))}, true},
		"unknown and undone again":       {[]*history.Op{op(1, 1, 2, put(a), unknown), op(2, 3, 4, get, done(a)), op(2, 5, 6, get, absent)}, false},
		"unknown delete":                 {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, del, unknown), op(2, 5, 6, get, done(a)), op(2, 7, 8, get, absent)}, true},
		"a failure that changed":         {[]*history.Op{op(1, 1, 2, put(a), only(history.Failed)), op(2, 3, 4, get, done(a))}, false},
		"one creates":                    {[]*history.Op{op(1, 1, 4, create(a), wrote(a)), op(2, 2, 3, create(b), only(history.Refused))}, true},
		"two create":                     {[]*history.Op{op(1, 1, 4, create(a), wrote(a)), op(2, 2, 3, create(b), wrote(b))}, false},
		"refused where nothing is":       {[]*history.Op{op(2, 2, 3, create(b), only(history.Refused))}, false},
		"replaced what was there":        {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, putIf(b, a), wrote(b)), op(1, 5, 6, get, done(b))}, true},
		"two replace the same":           {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 6, putIf(b, a), wrote(b)), op(2, 4, 5, putIf("c3.0/20", a), wrote("c3.0/20"))}, false},
		"refused although it held":       {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, putIf(b, a), only(history.Refused))}, false},
		"not found although there":       {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, putIf(b, a), absent)}, false},
		"not found without condition":    {[]*history.Op{op(1, 3, 4, put(b), absent)}, false},
		"conflict alone":                 {[]*history.Op{op(1, 1, 2, put(a), only(history.Conflict))}, false},
		"conflict beside a change":       {[]*history.Op{op(1, 1, 4, put(a), only(history.Conflict)), op(2, 2, 3, put(b), wrote(b))}, true},
		"conflict that changed":          {[]*history.Op{op(1, 1, 4, put(a), only(history.Conflict)), op(2, 2, 3, put(b), wrote(b)), op(2, 5, 6, get, done(a))}, false},
		"refused without condition":      {[]*history.Op{op(1, 1, 4, put(a), only(history.Refused))}, false},
		"another's ETag":                 {[]*history.Op{op(1, 1, 2, put(a), wrote(b))}, false},
		"content and ETag of two":        {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, get, history.Result{Value: a, ETag: etag(b)})}, false},
		"wrong":                          {[]*history.Op{op(1, 1, 2, get, only(history.Wrong))}, false},
		"completed twice":                {[]*history.Op{op(1, 1, 2, complete, completed), op(1, 3, 4, complete, completed), op(1, 5, 6, get, gotA)}, true},
		"completed twice with effect":    {[]*history.Op{op(1, 1, 2, complete, completed), op(1, 3, 4, put(b), wrote(b)), op(1, 5, 6, complete, completed), op(1, 7, 8, get, gotA)}, false},
		"completed twice without":        {[]*history.Op{op(1, 1, 2, complete, completed), op(1, 3, 4, put(b), wrote(b)), op(1, 5, 6, complete, completed), op(1, 7, 8, get, done(b))}, true},
		"upload gone":                    {[]*history.Op{op(1, 1, 2, complete, only(history.NoUpload))}, false},
		"upload gone as completed":       {[]*history.Op{op(1, 1, 2, complete, unknown), op(1, 3, 4, complete, only(history.NoUpload)), op(1, 5, 6, get, gotA)}, true},
		"upload gone and never seen":     {[]*history.Op{op(1, 1, 2, complete, unknown), op(1, 3, 4, complete, only(history.NoUpload)), op(1, 5, 6, get, absent)}, false},
		"copied":                         {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, copied, wrote(a)), op(1, 5, 6, get2, done(a))}, true},
		"copied what is not there":       {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, del, only(history.Done)), op(1, 5, 6, copied, wrote(a))}, false},
		"copied, perhaps":                {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, put(b), wrote(b)), op(1, 5, 6, copied, unknown), op(1, 7, 8, get2, done(b))}, true},
		"copied from where it never was": {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, copied, unknown), op(1, 5, 6, get2, done(b))}, false},
		"copy of nobody's":               {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 4, copied, history.Result{ETag: "0123"})}, false},
		"copied onto itself":             {[]*history.Op{op(1, 1, 2, complete, completed), op(1, 3, 4, touch, wrote(a)), op(1, 5, 6, get, done(a))}, true},
		"a copy onto itself undid":       {[]*history.Op{op(1, 1, 2, put(a), wrote(a)), op(1, 3, 8, touch, wrote(a)), op(2, 4, 5, put(b), wrote(b)), op(1, 9, 10, get, done(a))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := history.New(7, []string{"k", "k2"}, &history.Options{MD5: true}, c.ops)
			dir := t.TempDir()
			err := h.Check(dir)
			if (err == nil) != c.fine {
				t.Fatalf("%v", err)
			}
			v, ok := errors.AsType[*history.Violation](err)
			if !c.fine && !ok {
				t.Fatalf("%v is no violation", err)
			}
			if ok && v.Page != "" {
				page, err := os.ReadFile(v.Page)
				if err != nil || !strings.Contains(string(page), "<html") || !strings.Contains(v.Error(), "seed 7, key k") {
					t.Errorf("%d bytes, %v; %v", len(page), err, v)
				}
			}
		})
	}
}

// TestUnknownETags lets ETags be names that only answers tell.
func TestUnknownETags(t *testing.T) {
	const a, b = "c1.0/20", "c2.0/20"
	over := func(v, tag string) history.Op {
		return history.Op{Kind: history.Put, Value: b, IfMatch: &history.Seen{Value: v, ETag: tag}}
	}
	put := history.Op{Kind: history.Put, Value: a}
	for name, c := range map[string]struct {
		ops  []*history.Op
		fine bool
	}{
		"told":        {[]*history.Op{op(1, 1, 2, put, history.Result{ETag: "x"}), op(1, 3, 4, over(a, "x"), history.Result{ETag: "y"})}, true},
		"another's":   {[]*history.Op{op(1, 1, 2, put, history.Result{ETag: "x"}), op(1, 3, 4, over(a, "z"), history.Result{ETag: "y"})}, false},
		"not told":    {[]*history.Op{op(1, 1, 2, put, history.Result{Outcome: history.Unknown}), op(1, 3, 4, over(a, "x"), history.Result{ETag: "y"})}, true},
		"and refused": {[]*history.Op{op(1, 1, 2, put, history.Result{Outcome: history.Unknown}), op(1, 3, 4, over(a, "x"), history.Result{Outcome: history.Refused})}, true},
		"then shown": {[]*history.Op{
			op(1, 1, 2, put, history.Result{Outcome: history.Unknown}), op(1, 3, 4, history.Op{Kind: history.Get}, history.Result{Value: a, ETag: "x"}),
			op(1, 5, 6, history.Op{Kind: history.Head}, history.Result{ETag: "x"}),
		}, true},
		"then another": {[]*history.Op{
			op(1, 1, 2, put, history.Result{Outcome: history.Unknown}), op(1, 3, 4, history.Op{Kind: history.Get}, history.Result{Value: a, ETag: "x"}),
			op(1, 5, 6, history.Op{Kind: history.Head}, history.Result{ETag: "y"}),
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := history.New(7, []string{"k"}, &history.Options{}, c.ops).Check(t.TempDir()); (err == nil) != c.fine {
				t.Error(err)
			}
		})
	}
}

// TestFragileUploads forgives a backend that loses an upload whose completion was cut off, and nothing else.
func TestFragileUploads(t *testing.T) {
	const a, b = "c1.0/20", "c2.0/20"
	complete := history.Op{Kind: history.Complete, Value: a, Upload: &history.Upload{Number: 1, Key: "k", Value: a}}
	put, get := history.Op{Kind: history.Put, Value: b}, history.Op{Kind: history.Get}
	unknown, gone := history.Result{Outcome: history.Unknown}, history.Result{Outcome: history.NoUpload}
	for name, c := range map[string]struct {
		ops           []*history.Op
		fragile, fine bool
	}{
		"lost":                  {[]*history.Op{op(1, 1, 2, put, history.Result{ETag: etag(b)}), op(1, 3, 4, complete, unknown), op(1, 5, 6, complete, gone), op(1, 7, 8, get, history.Result{Value: b, ETag: etag(b)})}, true, true},
		"lost where it may not": {[]*history.Op{op(1, 1, 2, put, history.Result{ETag: etag(b)}), op(1, 3, 4, complete, unknown), op(1, 5, 6, complete, gone), op(1, 7, 8, get, history.Result{Value: b, ETag: etag(b)})}, false, false},
		"lost for no reason":    {[]*history.Op{op(1, 1, 2, complete, gone)}, true, false},
		"and the object with it": {[]*history.Op{
			op(1, 1, 2, put, history.Result{ETag: etag(b)}), op(1, 3, 4, complete, unknown), op(1, 5, 6, complete, gone), op(1, 7, 8, get, history.Result{Outcome: history.NotFound}),
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := history.New(7, []string{"k"}, &history.Options{MD5: true, FragileUploads: c.fragile}, c.ops).Check(t.TempDir()); (err == nil) != c.fine {
				t.Error(err)
			}
		})
	}
}

func TestPlansRepeat(t *testing.T) {
	plan := func(seed uint64) string { return history.NewPlan(seed, &history.Options{Endpoints: 3}).Requests() }
	if first, second := plan(5), plan(5); first != second {
		t.Errorf("a seed gives two plans:\n%s\n%s", first, second)
	}
	if plan(5) == plan(6) {
		t.Error("two seeds give one plan")
	}
}

// TestEndsWithContext stops a run in the middle; what was answered is in the history.
func TestEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newRegister()
	n := 0
	r.mistake = func(*history.Op, history.Seen) bool {
		if n++; n == 5 {
			cancel()
		}
		return false
	}
	h := (&history.Runner{Target: r, Backoff: time.Microsecond}).Run(ctx, history.NewPlan(3, &history.Options{MD5: true}))
	if len(h.Ops) < 5 || len(h.Ops) > 5+history.MaxClients {
		t.Errorf("%d operations", len(h.Ops))
	}
	if err := h.Check(t.TempDir()); err != nil {
		t.Error(err)
	}
}
