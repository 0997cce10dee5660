package probe

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
	"sallyport/providers/local"
	"sallyport/providers/mem"
)

func run(t *testing.T, d driver.Driver) map[string]Finding {
	t.Helper()
	found, err := Run(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Finding{}
	for _, f := range found {
		if byName[f.Question] != (Finding{}) {
			t.Errorf("%q is answered twice", f.Question)
		}
		byName[f.Question] = f
	}
	return byName
}

// mustBeEmpty: a probe leaves nothing.
func mustBeEmpty(t *testing.T, d driver.Driver) {
	t.Helper()
	page, err := d.List(t.Context(), &driver.ListOptions{})
	if err != nil || len(page.Entries) > 0 {
		t.Errorf("%d objects are left, the first %v, %v", len(page.Entries), page.Entries, err)
	}
	stale, err := d.Uploads().Stale(t.Context(), time.Now().Add(time.Hour))
	if err != nil || len(stale) > 0 {
		t.Errorf("%d uploads are left, %v", len(stale), err)
	}
}

func TestSoundBackends(t *testing.T) {
	folder, err := local.Open(t.Context(), &local.Config{Path: t.TempDir(), Layout: local.LayoutEscaped}, &local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]driver.Driver{"mem": mem.New(&mem.Options{}), "local": folder} {
		for question, f := range run(t, d) {
			if f.Verdict != OK || f.Seen != "" || f.Means != "" {
				t.Errorf("%s: %s: %s, %s", name, question, f.Verdict, f.Seen)
			}
		}
		mustBeEmpty(t, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// liar is a backend with one fault.
type liar struct {
	driver.Driver
	put func(l *liar, ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error)
	del func(l *liar, ctx context.Context, key string, opts *driver.DeleteOptions) error
	get func(l *liar, ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error)
	lst func(l *liar, ctx context.Context, opts *driver.ListOptions) (*driver.Page, error)
	par func(number int, size int64) error
	com func(u driver.Uploads, ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error)
	hea func(i *driver.Info)
}

func (l *liar) Put(ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	if l.put != nil {
		return l.put(l, ctx, key, body, size, opts)
	}
	return l.Driver.Put(ctx, key, body, size, opts)
}

func (l *liar) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	if l.del != nil {
		return l.del(l, ctx, key, opts)
	}
	return l.Driver.Delete(ctx, key, opts)
}

func (l *liar) Get(ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
	if l.get != nil {
		return l.get(l, ctx, key, opts)
	}
	return l.Driver.Get(ctx, key, opts)
}

func (l *liar) Head(ctx context.Context, key string) (*driver.Info, error) {
	info, err := l.Driver.Head(ctx, key)
	if err == nil && l.hea != nil {
		l.hea(info)
	}
	return info, err
}

func (l *liar) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	if l.lst != nil {
		return l.lst(l, ctx, opts)
	}
	return l.Driver.List(ctx, opts)
}

func (l *liar) Uploads() driver.Uploads { return &lyingUploads{l.Driver.Uploads(), l} }

type lyingUploads struct {
	driver.Uploads
	l *liar
}

func (u *lyingUploads) PutPart(ctx context.Context, up driver.Upload, n int, body io.Reader, size int64) (*driver.Part, error) {
	if u.l.par != nil {
		if err := u.l.par(n, size); err != nil {
			return nil, err
		}
	}
	return u.Uploads.PutPart(ctx, up, n, body, size)
}

func (u *lyingUploads) Complete(ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
	if u.l.com != nil {
		return u.l.com(u.Uploads, ctx, up, parts, opts)
	}
	return u.Uploads.Complete(ctx, up, parts, opts)
}

// without returns a put that forgets a condition.
func without(forget func(*driver.PutOptions)) func(l *liar, ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
	return func(l *liar, ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
		o := *opts
		forget(&o)
		return l.Driver.Put(ctx, key, body, size, &o)
	}
}

// TestFaultsAreFound has a backend for each fault, and wants just the questions about it to fail.
func TestFaultsAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		liar liar
		want []string
	}{
		"ignores If-None-Match": {liar{put: without(func(o *driver.PutOptions) { o.IfNoneMatch = false })}, []string{"create only if absent", "one of many creators wins"}},
		"ignores If-Match":      {liar{put: without(func(o *driver.PutOptions) { o.IfMatch = "" })}, []string{"replace only if unchanged"}},
		"looks first and writes then": {liar{put: func(l *liar, ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
			if opts.IfNoneMatch && strings.Contains(key, "/race-") {
				opts = &driver.PutOptions{}
			}
			return l.Driver.Put(ctx, key, body, size, opts)
		}}, []string{"one of many creators wins"}},
		"ignores the condition of a delete": {liar{del: func(l *liar, ctx context.Context, key string, _ *driver.DeleteOptions) error {
			return l.Driver.Delete(ctx, key, &driver.DeleteOptions{})
		}}, []string{"delete only if unchanged"}},
		"sends the beginning for the end": {liar{get: func(l *liar, ctx context.Context, key string, opts *driver.GetOptions) (io.ReadCloser, *driver.Info, error) {
			o := *opts
			o.Length, o.Suffix = opts.Length+opts.Suffix, 0
			return l.Driver.Get(ctx, key, &o)
		}}, []string{"read the end of an object"}},
		"has an old clock": {liar{hea: func(i *driver.Info) { i.ModTime = i.ModTime.Add(-time.Hour) }}, []string{"its clock agrees with this machine's"}},
		"has a fast clock": {liar{hea: func(i *driver.Info) { i.ModTime = i.ModTime.Add(time.Hour) }}, []string{"its clock agrees with this machine's"}},
		"has one ETag":     {liar{hea: func(i *driver.Info) { i.ETag = "e" }}, []string{"an overwrite is seen at once"}},
		"lists late": {liar{lst: func(l *liar, ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
			if strings.HasSuffix(opts.Prefix, "/listed") {
				return &driver.Page{}, nil
			}
			return l.Driver.List(ctx, opts)
		}}, []string{"list after write and after delete"}},
		"lists backwards": {liar{lst: func(l *liar, ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
			page, err := l.Driver.List(ctx, opts)
			if err == nil {
				slices.Reverse(page.Entries)
			}
			return page, err
		}}, []string{"lists are in byte order", "an object beside a folder of its name"}},
		"hides what is below an object": {liar{lst: func(l *liar, ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
			page, err := l.Driver.List(ctx, opts)
			if err == nil && strings.HasSuffix(opts.Prefix, "/clash/") {
				page.Entries = page.Entries[:1]
			}
			return page, err
		}}, []string{"an object beside a folder of its name"}},
		"puts parts together as they came": {liar{com: func(u driver.Uploads, ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
			return u.Complete(ctx, up, parts[:1], opts)
		}}, []string{"parts in any order make one object", "parts of unequal size, and part 10,000"}},
		"has numbers up to 1,000": {liar{par: func(number int, _ int64) error {
			if number > 1000 {
				return &driver.Error{Kind: driver.InvalidPart, Op: "PutPart"}
			}
			return nil
		}}, []string{"parts of unequal size, and part 10,000"}},
		"wants parts of one size": {liar{com: func(u driver.Uploads, ctx context.Context, up driver.Upload, parts []driver.Part, opts *driver.PutOptions) (*driver.Info, error) {
			if len(parts) > 2 && parts[0].Size != parts[1].Size {
				return nil, &driver.Error{Kind: driver.InvalidPart, Op: "Complete", Key: up.Key}
			}
			return u.Complete(ctx, up, parts, opts)
		}}, []string{"parts of unequal size, and part 10,000"}},
		"completes over everything": {liar{com: func(u driver.Uploads, ctx context.Context, up driver.Upload, parts []driver.Part, _ *driver.PutOptions) (*driver.Info, error) {
			return u.Complete(ctx, up, parts, &driver.PutOptions{})
		}}, []string{"complete only if absent", "complete only if unchanged"}},
	} {
		t.Run(name, func(t *testing.T) {
			backend := mem.New(&mem.Options{})
			tc.liar.Driver = backend
			var failed []string
			for question, f := range run(t, &tc.liar) {
				if f.Verdict == Failed {
					failed = append(failed, question)
					if f.Seen == "" || f.Means == "" {
						t.Errorf("%s: %+v says nothing", question, f)
					}
				}
			}
			slices.Sort(failed)
			slices.Sort(tc.want)
			if !slices.Equal(failed, tc.want) {
				t.Errorf("%q failed, want %q", failed, tc.want)
			}
			mustBeEmpty(t, backend)
		})
	}
}

// TestWhatCannotBeAsked: no permission is an error and no finding, and what was written is removed.
func TestWhatCannotBeAsked(t *testing.T) {
	backend := mem.New(&mem.Options{})
	denied := &liar{Driver: backend, put: func(l *liar, ctx context.Context, key string, body io.Reader, size int64, opts *driver.PutOptions) (*driver.Info, error) {
		if strings.HasSuffix(key, "/listed") {
			return nil, &driver.Error{Kind: driver.Denied, Op: "Put", Key: key}
		}
		return l.Driver.Put(ctx, key, body, size, opts)
	}}
	found, err := Run(t.Context(), denied)
	if err == nil || driver.KindOf(err) != driver.Denied || len(found) != 4 {
		t.Errorf("%d findings, %v", len(found), err)
	}
	mustBeEmpty(t, backend)

	undeletable := &liar{Driver: mem.New(&mem.Options{}), del: func(_ *liar, _ context.Context, key string, opts *driver.DeleteOptions) error {
		if opts.IfMatch != "" {
			return &driver.Error{Kind: driver.PreconditionFailed, Op: "Delete", Key: key}
		}
		return &driver.Error{Kind: driver.Denied, Op: "Delete", Key: key}
	}}
	if _, err := Run(t.Context(), undeletable); err == nil || driver.KindOf(err) != driver.Denied {
		t.Errorf("a backend that deletes nothing: %v", err)
	}
}

// TestLackingIsNotFailing: what a driver does not claim is not tried.
func TestLackingIsNotFailing(t *testing.T) {
	modest := &claiming{mem.New(&mem.Options{})}
	for question, f := range run(t, modest) {
		lacks := slices.Contains([]string{
			"create only if absent", "one of many creators wins", "replace only if unchanged", "delete only if unchanged", "complete only if absent",
			"complete only if unchanged", "list after write and after delete",
		}, question)
		if lacks != (f.Verdict == Lacking) || f.Verdict == Failed || lacks && f.Means == "" {
			t.Errorf("%s: %+v", question, f)
		}
	}
}

type claiming struct{ driver.Driver }

func (c *claiming) Capabilities() driver.Capabilities {
	caps := c.Driver.Capabilities()
	return driver.Capabilities{MaxPart: caps.MaxPart, MaxObject: caps.MaxObject, MaxKey: caps.MaxKey}
}
