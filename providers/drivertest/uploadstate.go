package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/providers/driver"
)

func wantNotes(t *testing.T, d driver.Driver, up driver.Upload, want map[string]string) {
	t.Helper()
	_, notes, err := d.Uploads().Read(t.Context(), up)
	wantNil(t, "Read", err)
	got := map[string]string{}
	for i, n := range notes {
		if i > 0 && n.Name <= notes[i-1].Name || n.ModTime.IsZero() {
			t.Fatalf("Read gave the note %+v after %q", n, notes[max(i-1, 0)].Name)
		}
		got[n.Name] = string(n.Data)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("notes %q, want %q", got, want)
	}
}

func testNotes(t *testing.T, h *Harness) {
	t.Run("Life", func(t *testing.T) {
		d := h.NewDriver(t)
		up := create(t, d, "k")
		want := map[string]string{"0": "note of " + up.ID}
		wantNotes(t, d, up, want)
		for _, name := range []string{"1-0123456789abcdef", "10000-ffffffffffffffff", "2-0000000000000000", "1-fedcba9876543210"} {
			note := []byte("attempt " + name)
			wantNil(t, "Note", d.Uploads().Note(t.Context(), up, name, note))
			want[name] = string(note)
			clear(note) // the driver may not have kept it
		}
		wantNotes(t, d, up, want)
		wantNil(t, "Note again", d.Uploads().Note(t.Context(), up, "2-0000000000000000", []byte("replaced")))
		want["2-0000000000000000"] = "replaced"
		binary := string(pattern(1, driver.MaxNote))
		wantNil(t, "largest Note", d.Uploads().Note(t.Context(), up, "3-0000000000000000", []byte(binary)))
		want["3-0000000000000000"] = binary
		err := d.Uploads().Note(t.Context(), up, "3-0000000000000000", make([]byte, driver.MaxNote+1))
		wantKind(t, "Note above 16 KiB", err, driver.TooLarge)
		wantNil(t, "empty Note", d.Uploads().Note(t.Context(), up, "4-0000000000000000", nil))
		want["4-0000000000000000"] = ""
		for _, name := range []string{"", "a/b", "..", "A", "a.b", strings.Repeat("x", 65), "a\x00", "é"} {
			wantKind(t, fmt.Sprintf("Note %q", name), d.Uploads().Note(t.Context(), up, name, nil), driver.InvalidKey)
		}
		wantNotes(t, d, up, want)
		_, notes, err := d.Uploads().Read(t.Context(), up)
		wantNil(t, "Read", err)
		for _, n := range notes {
			clear(n.Data) // they are the caller's
		}
		wantNotes(t, d, up, want)

		part := putPart(t, d, up, 1, []byte("x"))
		_, err = complete(t, d, up, driver.PutOptions{}, part)
		wantNil(t, "Complete", err)
		wantNotes(t, d, up, want)
		wantParts(t, d, up)
		wantNil(t, "Note after Complete", d.Uploads().Note(t.Context(), up, "done", []byte("answer")))
		want["done"] = "answer"
		wantNotes(t, d, up, want)
		wantNil(t, "Abort", d.Uploads().Abort(t.Context(), up))
		_, _, err = d.Uploads().Read(t.Context(), up)
		wantKind(t, "Read after Abort", err, driver.NoSuchUpload)
		wantNames(t, "notes are not listed", names(t, d, driver.ListOptions{}), []string{"k"})
	})
	t.Run("Create", func(t *testing.T) {
		d := h.NewDriver(t)
		errNote := errors.New("no note")
		_, err := d.Uploads().Create(t.Context(), "k", func(string) ([]byte, error) { return nil, errNote })
		if !errors.Is(err, errNote) {
			t.Fatalf("Create with a note that fails: %v", err)
		}
		_, err = d.Uploads().Create(t.Context(), "k", func(string) ([]byte, error) { return make([]byte, driver.MaxNote+1), nil })
		wantKind(t, "Create with a note above 16 KiB", err, driver.TooLarge)
		page, err := d.Uploads().List(t.Context(), &driver.ListUploadsOptions{})
		wantNil(t, "List", err)
		if len(page.Uploads) != 0 {
			t.Fatalf("failed Creates left %+v", page.Uploads)
		}
		seen := map[string]bool{}
		for range 50 {
			up := create(t, d, "k")
			if seen[up.ID] || len(up.ID) > 1024 {
				t.Fatalf("id %q", up.ID)
			}
			seen[up.ID] = true
		}
	})
	t.Run("AfterAbort", func(t *testing.T) {
		d := h.NewDriver(t)
		up := create(t, d, "k")
		wantNil(t, "Abort", d.Uploads().Abort(t.Context(), up))
		if err := d.Uploads().Note(t.Context(), up, "1-0000000000000000", []byte("late")); err != nil {
			wantKind(t, "Note after Abort", err, driver.NoSuchUpload)
			return
		}
		stale, err := d.Uploads().Stale(t.Context(), inAnHour())
		wantNil(t, "Stale", err)
		if len(stale) != 1 || stale[0].Upload != up {
			t.Fatalf("a note kept after Abort is not found by Stale: %+v", stale)
		}
		wantNil(t, "Abort of a late note", d.Uploads().Abort(t.Context(), up))
		_, _, err = d.Uploads().Read(t.Context(), up)
		wantKind(t, "Read after Abort", err, driver.NoSuchUpload)
	})
}

func testUploadList(t *testing.T, h *Harness) {
	t.Run("Pages", func(t *testing.T) {
		d := h.NewDriver(t)
		var want []driver.Upload
		for _, key := range []string{"b", "a", "a/x", "a", "c/1", "a-", "a", "c/2", "b", "é"} {
			if h.possible(key) {
				want = append(want, create(t, d, key))
			}
		}
		sorted := func(a, b driver.Upload) int {
			if a.Key != b.Key {
				return strings.Compare(a.Key, b.Key)
			}
			return strings.Compare(a.ID, b.ID)
		}
		slices.SortFunc(want, sorted)
		check := func(opts driver.ListUploadsOptions) {
			t.Helper()
			var left []driver.Upload
			for _, up := range want {
				after := up.Key > opts.After || up.Key == opts.After && opts.UploadAfter != "" && up.ID > opts.UploadAfter
				if strings.HasPrefix(up.Key, opts.Prefix) && after {
					left = append(left, up)
				}
			}
			if got := openUploads(t, d, opts); !slices.Equal(got, left) {
				t.Fatalf("List %+v:\n got %q\nwant %q", opts, got, left)
			}
		}
		for _, limit := range []int{0, 1, 2, 1000} {
			for _, prefix := range []string{"", "a", "a/", "b", "c/", "z"} {
				check(driver.ListUploadsOptions{Prefix: prefix, Limit: limit})
			}
		}
		for _, up := range want {
			check(driver.ListUploadsOptions{After: up.Key})
			check(driver.ListUploadsOptions{After: up.Key, UploadAfter: up.ID})
			check(driver.ListUploadsOptions{After: up.Key, UploadAfter: "0"})
			check(driver.ListUploadsOptions{After: up.Key, UploadAfter: "\U0010ffff", Prefix: "a"})
			check(driver.ListUploadsOptions{After: up.Key + "/zz", Limit: 1})
		}
		wantNil(t, "Abort", d.Uploads().Abort(t.Context(), want[2]))
		want = slices.Delete(want, 2, 3)
		check(driver.ListUploadsOptions{})
	})
	t.Run("Which", func(t *testing.T) {
		d := h.NewDriver(t)
		begun := time.Now()
		open := create(t, d, "open")
		completed, done := create(t, d, "completed"), create(t, d, "done")
		id, err := d.Uploads().Create(t.Context(), "split", nil)
		wantNil(t, "Create of a split PUT", err)
		split := driver.Upload{ID: id, Key: "split"}
		for _, up := range []driver.Upload{completed, done, split} {
			_, err := complete(t, d, up, driver.PutOptions{}, putPart(t, d, up, 1, []byte("x")))
			wantNil(t, "Complete", err)
		}
		wantNil(t, "Note", d.Uploads().Note(t.Context(), done, "done", []byte("d")))
		id, err = d.Uploads().Create(t.Context(), "split2", nil)
		wantNil(t, "Create of a split PUT", err)
		split2 := driver.Upload{ID: id, Key: "split2"}
		if got, want := openUploads(t, d, driver.ListUploadsOptions{}), []driver.Upload{completed, open}; !slices.Equal(got, want) {
			t.Fatalf("List gave %q, want the two without a done note %q", got, want)
		}
		stale, err := d.Uploads().Stale(t.Context(), inAnHour())
		wantNil(t, "Stale", err)
		got := map[driver.Upload]driver.StaleUpload{}
		for _, s := range stale {
			got[s.Upload] = s
			if s.Begun.Before(begun.Add(-time.Hour)) || s.Begun.After(inAnHour()) {
				t.Errorf("%q began at %v, in a test at %v", s.Key, s.Begun, begun)
			}
		}
		if len(got) != 5 || len(stale) != 5 {
			t.Fatalf("Stale gave %+v, want all five", stale)
		}
		for up, want := range map[driver.Upload]struct{ done, split, closed bool }{
			open: {}, completed: {closed: true}, done: {done: true, closed: true}, split: {split: true, closed: true}, split2: {split: true},
		} {
			s, ok := got[up]
			if !ok || s.SplitPut != want.split || s.Closed != want.closed || want.done && s.Done.IsZero() || up == open && !s.Done.IsZero() {
				t.Errorf("Stale gave %+v for %q, want %+v", s, up.Key, want)
			}
		}
		none, err := d.Uploads().Stale(t.Context(), begun.Add(-time.Hour))
		wantNil(t, "Stale", err)
		if len(none) != 0 {
			t.Fatalf("Stale gave uploads begun after its time: %+v", none)
		}
		for _, s := range stale {
			wantNil(t, "Abort of "+s.Key, d.Uploads().Abort(t.Context(), s.Upload))
		}
		stale, err = d.Uploads().Stale(t.Context(), inAnHour())
		wantNil(t, "Stale", err)
		if len(stale) != 0 {
			t.Fatalf("Stale gave %+v after all were aborted", stale)
		}
		wantNames(t, "objects stay", names(t, d, driver.ListOptions{}), []string{"completed", "done", "split"})
	})
}

func openUploads(t *testing.T, d driver.Driver, opts driver.ListUploadsOptions) []driver.Upload {
	t.Helper()
	var all []driver.Upload
	for {
		page, err := d.Uploads().List(t.Context(), &opts)
		wantNil(t, "Uploads.List", err)
		if opts.Limit > 0 && len(page.Uploads) > opts.Limit || page.More && len(page.Uploads) == 0 {
			t.Fatalf("Uploads.List %+v: %d uploads, more %v", opts, len(page.Uploads), page.More)
		}
		for _, up := range page.Uploads {
			if up.Note.Name != "0" || string(up.Note.Data) != "note of "+up.ID || up.Note.ModTime.IsZero() {
				t.Fatalf("Uploads.List gave the note %+v for %q", up.Note, up.ID)
			}
			all = append(all, up.Upload)
		}
		if !page.More {
			return all
		}
		last := all[len(all)-1]
		opts.After, opts.UploadAfter = last.Key, last.ID
	}
}

func testReopen(t *testing.T, h *Harness) {
	t.Run("Objects", func(t *testing.T) {
		d := h.NewDriver(t)
		first, second := put(t, d, "a/b", pattern(1, 5000)), put(t, d, "c", nil)
		_, err := d.Put(t.Context(), "d", strings.NewReader("short"), 100, &driver.PutOptions{})
		wantKind(t, "Put that fails", err, driver.BadBody)
		d = h.Reopen(t, d)
		h.wantSameInfo(t, "reopened", wantObject(t, d, "a/b", pattern(1, 5000)), first)
		h.wantSameInfo(t, "reopened", wantObject(t, d, "c", nil), second)
		wantNames(t, "reopened", names(t, d, driver.ListOptions{}), []string{"a/b", "c"})
		again := put(t, d, "a/b", pattern(1, 5000))
		if again.ETag == first.ETag && !h.HashETags {
			t.Fatalf("a write after Reopen has the ETag %q of one before", again.ETag)
		}
	})
	t.Run("Upload", func(t *testing.T) {
		d := h.NewDriver(t)
		size := partSize(d)
		put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		second := putPart(t, d, up, 2, pattern(2, size))
		wantNil(t, "Note", d.Uploads().Note(t.Context(), up, "2-0000000000000000", []byte("two")))
		d = h.Reopen(t, d)
		wantParts(t, d, up, second)
		wantNotes(t, d, up, map[string]string{"0": "note of " + up.ID, "2-0000000000000000": "two"})
		if got := openUploads(t, d, driver.ListUploadsOptions{}); !slices.Equal(got, []driver.Upload{up}) {
			t.Fatalf("open uploads after Reopen: %q", got)
		}
		first := putPart(t, d, up, 1, pattern(1, size))
		resent := putPart(t, d, up, 2, pattern(3, size))
		d = h.Reopen(t, d)
		wantParts(t, d, up, first, resent)
		_, err := complete(t, d, up, driver.PutOptions{}, first, second)
		wantKind(t, "Complete with the ETag of a replaced part", err, driver.InvalidPart)
		third := putPart(t, d, up, 3, []byte("end"))
		wantObject(t, d, "k", []byte("old"))
		info, err := complete(t, d, up, driver.PutOptions{}, first, resent, third)
		wantNil(t, "Complete", err)
		d = h.Reopen(t, d)
		whole := bytes.Join([][]byte{pattern(1, size), pattern(3, size), []byte("end")}, nil)
		h.wantSameInfo(t, "completed", wantObject(t, d, "k", whole), info)
		wantClosed(t, d, up, first)
		wantNotes(t, d, up, map[string]string{"0": "note of " + up.ID, "2-0000000000000000": "two"})
		wantNil(t, "Note after Complete and Reopen", d.Uploads().Note(t.Context(), up, "done", []byte("d")))
		wantNil(t, "Abort", d.Uploads().Abort(t.Context(), up))
		d = h.Reopen(t, d)
		_, _, err = d.Uploads().Read(t.Context(), up)
		wantKind(t, "Read of an aborted upload", err, driver.NoSuchUpload)
		h.wantSameInfo(t, "completed", wantObject(t, d, "k", whole), info)
	})
}

func testEnds(t *testing.T, h *Harness) {
	t.Run("Canceled", func(t *testing.T) {
		d := h.NewDriver(t)
		old := put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("x"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		body := &watchedBody{r: strings.NewReader("new")}
		for name, err := range everyCall(ctx, d, up, part, body) {
			wantKind(t, name+" with a ctx that has ended", err, driver.Canceled)
		}
		if body.reads > 0 {
			t.Fatal("a body was read though ctx had ended")
		}
		ctx, cancel = context.WithDeadline(t.Context(), time.Unix(0, 0))
		defer cancel()
		for name, err := range everyCall(ctx, d, up, part, body) {
			wantKind(t, name+" with a ctx past its deadline", err, driver.Canceled)
		}
		h.wantSameInfo(t, "the old object", wantObject(t, d, "k", []byte("old")), old)
		wantParts(t, d, up, part)
		wantNotes(t, d, up, map[string]string{"0": "note of " + up.ID})
	})
	t.Run("Close", func(t *testing.T) {
		d := h.NewDriver(t)
		put(t, d, "k", []byte("old"))
		up := create(t, d, "k")
		part := putPart(t, d, up, 1, []byte("x"))
		wantNil(t, "Close", d.Close())
		wantNil(t, "Close again", d.Close())
		saysSomething := []driver.Kind{driver.NotFound, driver.NoSuchUpload, driver.PreconditionFailed, driver.InvalidPart, driver.InvalidRange, driver.UnknownOutcome}
		for name, err := range everyCall(t.Context(), d, up, part, strings.NewReader("new")) {
			e, ok := errors.AsType[*driver.Error](err)
			if !ok {
				t.Fatalf("%s after Close: %v", name, err)
			}
			if slices.Contains(saysSomething, e.Kind) {
				t.Fatalf("%s after Close says %v", name, err)
			}
		}
		d = h.Reopen(t, d)
		wantObject(t, d, "k", []byte("old"))
		wantParts(t, d, up, part)
	})
}

// everyCall makes every call once and returns their errors by name.
func everyCall(ctx context.Context, d driver.Driver, up driver.Upload, part *driver.Part, body interface{ Read([]byte) (int, error) }) map[string]error {
	errs := map[string]error{}
	_, errs["Put"] = d.Put(ctx, "k", body, 3, &driver.PutOptions{})
	_, _, errs["Get"] = d.Get(ctx, "k", &driver.GetOptions{})
	_, errs["Head"] = d.Head(ctx, "k")
	errs["Delete"] = d.Delete(ctx, "k", &driver.DeleteOptions{})
	_, errs["List"] = d.List(ctx, &driver.ListOptions{})
	u := d.Uploads()
	_, errs["Create"] = u.Create(ctx, "k2", func(string) ([]byte, error) { return []byte("x"), nil })
	_, errs["PutPart"] = u.PutPart(ctx, up, 1, body, 3)
	if d.Capabilities().CopyPart {
		_, errs["CopyPart"] = u.CopyPart(ctx, up, 1, "k", 0, 1, "")
	}
	errs["Note"] = u.Note(ctx, up, "1-0000000000000000", []byte("x"))
	_, _, errs["Read"] = u.Read(ctx, up)
	_, errs["Complete"] = u.Complete(ctx, up, []driver.Part{*part}, &driver.PutOptions{})
	errs["Abort"] = u.Abort(ctx, up)
	_, errs["Uploads.List"] = u.List(ctx, &driver.ListUploadsOptions{})
	_, errs["Stale"] = u.Stale(ctx, inAnHour())
	return errs
}
