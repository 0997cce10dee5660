package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"sallyport/providers/driver"
)

// holds tells which of the two the object "k" is. Anything else is a mixture or a loss.
func holds(w *world, key string, replacement []byte) (bool, error) {
	data, info, err := get(context.Background(), w.raw, key, driver.GetOptions{})
	absent := err != nil && driver.Is(err, driver.NotFound)
	switch {
	case err != nil && !absent:
		return false, err
	case !absent && bytes.Equal(data, replacement):
		return true, nil
	case key != "k" && absent:
		return false, nil
	case key == "k" && !absent && info.ETag == w.old.ETag && bytes.Equal(data, oldBytes):
		return false, nil
	}
	return false, fmt.Errorf("%q is %d bytes, absent %v: neither the old object nor the new one", key, len(data), absent)
}

// unseekable hides what a bytes.Reader can do beyond reading, as a body from the network has it.
type unseekable struct{ io.Reader }

func putScenario(name, key string, data []byte, opts func(w *world) driver.PutOptions, body func([]byte) io.Reader, heals bool) scenario {
	settles := ""
	if heals {
		settles = "Put"
	}
	return scenario{
		name: name, heals: heals, settles: settles,
		run: func(ctx context.Context, w *world) error {
			o := opts(w)
			info, err := w.d.Put(ctx, key, body(data), int64(len(data)), &o)
			if err != nil {
				return err
			}
			now, herr := w.raw.Head(context.Background(), key)
			if herr != nil || now.ETag != info.ETag || info.Size != int64(len(data)) || info.Key != key {
				return fmt.Errorf("%w: %+v", errWrong, info)
			}
			return nil
		},
		is: func(w *world) (bool, error) {
			stale, err := w.raw.Uploads().Stale(context.Background(), inAnHour())
			if err != nil {
				return false, err
			}
			for _, s := range stale {
				if s.Upload != w.up && !s.SplitPut {
					return false, fmt.Errorf("a Put left the upload %+v, which no sweep knows for its own", s)
				}
			}
			return holds(w, key, data)
		},
	}
}

func scenarios() []scenario {
	plain := func(*world) driver.PutOptions { return driver.PutOptions{} }
	noneMatch := func(*world) driver.PutOptions { return driver.PutOptions{IfNoneMatch: true} }
	match := func(w *world) driver.PutOptions { return driver.PutOptions{IfMatch: w.old.ETag} }
	seekable := func(b []byte) io.Reader { return bytes.NewReader(b) }
	stream := func(b []byte) io.Reader { return unseekable{bytes.NewReader(b)} }
	all := []scenario{
		putScenario("Put", "k", newBytes, plain, stream, true),
		putScenario("PutNew", "new", newBytes, plain, stream, true),
		putScenario("PutEmpty", "k", nil, plain, stream, true),
		putScenario("PutIfMatch", "k", newBytes, match, stream, true),
		putScenario("PutIfNoneMatch", "new", newBytes, noneMatch, stream, true),
		putScenario("PutLongSeekable", "k", longNew, plain, seekable, true),
		putScenario("PutLongStream", "k", longNew, plain, stream, false),
		putScenario("PutLongStreamIfMatch", "k", longNew, match, stream, false),
		putScenario("PutLongStreamIfNoneMatch", "new", longNew, noneMatch, stream, false),
		deleteScenario("Delete", "Delete", func(*world) driver.DeleteOptions { return driver.DeleteOptions{} }),
		deleteScenario("DeleteIfMatch", "", func(w *world) driver.DeleteOptions { return driver.DeleteOptions{IfMatch: w.old.ETag} }),
	}
	for _, opts := range []driver.GetOptions{{}, {Offset: 100, Length: 1700}, {Offset: 1999}, {Suffix: 1600}, {Suffix: 5000}} {
		all = append(all, getScenario(opts))
	}
	return slices.Concat(all, readScenarios(), uploadScenarios(plain, match))
}

func deleteScenario(name, settles string, opts func(*world) driver.DeleteOptions) scenario {
	return scenario{
		name: name, heals: true, settles: settles,
		run: func(ctx context.Context, w *world) error {
			o := opts(w)
			return w.d.Delete(ctx, "k", &o)
		},
		is: func(w *world) (bool, error) {
			_, err := w.raw.Head(context.Background(), "k")
			if err != nil && driver.Is(err, driver.NotFound) {
				return true, nil
			}
			return holds(w, "k", nil)
		},
	}
}

func getScenario(opts driver.GetOptions) scenario {
	return scenario{name: fmt.Sprintf("Get%+v", opts), heals: true, run: func(ctx context.Context, w *world) error {
		want := oldBytes
		switch {
		case opts.Suffix > 0:
			want = want[len(want)-int(min(opts.Suffix, int64(len(want)))):]
		case opts.Length > 0:
			want = want[opts.Offset : opts.Offset+opts.Length]
		default:
			want = want[opts.Offset:]
		}
		got, info, err := get(ctx, w.d, "k", opts)
		ok := bytes.HasPrefix(want, got) && (err != nil || len(got) == len(want)) && (info == nil || info.ETag == w.old.ETag && info.Size == w.old.Size)
		if !ok {
			return fmt.Errorf("%w: %d of %d bytes, %+v, %w", errWrong, len(got), len(want), info, err)
		}
		return err
	}}
}

func readScenarios() []scenario {
	wrongUnless := func(ok bool, err error) error {
		if err == nil && !ok {
			return errWrong
		}
		return err
	}
	return []scenario{
		{name: "Head", heals: true, run: func(ctx context.Context, w *world) error {
			info, err := w.d.Head(ctx, "k")
			return wrongUnless(info != nil && *info == *w.old, err)
		}},
		{name: "HeadAbsent", heals: true, run: func(ctx context.Context, w *world) error {
			_, err := w.d.Head(ctx, "absent")
			if err == nil {
				return errWrong
			}
			if driver.Is(err, driver.NotFound) {
				return nil
			}
			return err
		}},
		{name: "List", heals: true, run: func(ctx context.Context, w *world) error {
			page, err := w.d.List(ctx, &driver.ListOptions{})
			return wrongUnless(page != nil && len(page.Entries) == 2 && !page.More && page.Entries[0].Info == *w.old, err)
		}},
		{name: "UploadsRead", heals: true, run: func(ctx context.Context, w *world) error {
			parts, notes, err := w.d.Uploads().Read(ctx, w.up)
			return wrongUnless(len(parts) == 1 && parts[0] == *w.part && len(notes) == 1, err)
		}},
		{name: "UploadsList", heals: true, run: func(ctx context.Context, w *world) error {
			page, err := w.d.Uploads().List(ctx, &driver.ListUploadsOptions{})
			return wrongUnless(page != nil && len(page.Uploads) == 1 && page.Uploads[0].Upload == w.up, err)
		}},
		{name: "Stale", heals: true, run: func(ctx context.Context, w *world) error {
			stale, err := w.d.Uploads().Stale(ctx, inAnHour())
			return wrongUnless(len(stale) == 1 && stale[0].Upload == w.up, err)
		}},
	}
}

// storedPart tells whether part 1 of the world's upload holds size bytes, or else is still the old one.
func storedPart(w *world, size int) (bool, error) {
	parts, _, err := w.raw.Uploads().Read(context.Background(), w.up)
	if err != nil || len(parts) != 1 || parts[0] != *w.part && parts[0].Size != int64(size) {
		return false, fmt.Errorf("parts %+v, %w", parts, err)
	}
	return parts[0].ETag != w.part.ETag, nil
}

func uploadScenarios(plain, match func(*world) driver.PutOptions) []scenario {
	partOf := func(name string, data []byte, body func([]byte) io.Reader, heals bool) scenario {
		settles := ""
		if heals {
			settles = "Uploads.PutPart"
		}
		return scenario{
			name: name, heals: heals, settles: settles,
			run: func(ctx context.Context, w *world) error {
				part, err := w.d.Uploads().PutPart(ctx, w.up, 1, body(data), int64(len(data)))
				if err != nil {
					return err
				}
				parts, _, rerr := w.raw.Uploads().Read(context.Background(), w.up)
				if rerr != nil || len(parts) != 1 || parts[0] != *part {
					return fmt.Errorf("%w: %+v is not the part stored, %+v", errWrong, part, parts)
				}
				return nil
			},
			is: func(w *world) (bool, error) { return storedPart(w, len(data)) },
		}
	}
	completeWith := func(name string, opts func(*world) driver.PutOptions) scenario {
		return scenario{
			name: name, heals: true,
			run: func(ctx context.Context, w *world) error {
				o := opts(w)
				info, err := w.d.Uploads().Complete(ctx, w.up, []driver.Part{*w.part}, &o)
				if err == nil && (info.Size != int64(len(oldBytes)) || info.ETag == w.old.ETag) {
					return errWrong
				}
				return err
			},
			is: func(w *world) (bool, error) {
				info, err := w.raw.Head(context.Background(), "k")
				if err != nil {
					return false, err
				}
				parts, _, err := w.raw.Uploads().Read(context.Background(), w.up)
				changed := info.ETag != w.old.ETag
				if err != nil || changed != (len(parts) == 0) {
					return false, fmt.Errorf("object changed %v, parts %+v, %w", changed, parts, err)
				}
				return changed, nil
			},
		}
	}
	return []scenario{
		partOf("PutPart", newBytes, func(b []byte) io.Reader { return unseekable{bytes.NewReader(b)} }, true),
		partOf("PutPartLongStream", longNew, func(b []byte) io.Reader { return unseekable{bytes.NewReader(b)} }, false),
		completeWith("Complete", plain),
		completeWith("CompleteIfMatch", match),
		{
			name: "CopyPart", heals: true, settles: "Uploads.CopyPart",
			run: func(ctx context.Context, w *world) error {
				_, err := w.d.Uploads().CopyPart(ctx, w.up, 1, "k", 0, 77, w.old.ETag)
				return err
			},
			is: func(w *world) (bool, error) { return storedPart(w, 77) },
		},
		{
			name: "Create", heals: true, settles: "Uploads.Create",
			run: func(ctx context.Context, w *world) error {
				id, err := w.d.Uploads().Create(ctx, "k", func(id string) ([]byte, error) { return []byte("note of " + id), nil })
				if err != nil {
					return err
				}
				_, notes, err := w.raw.Uploads().Read(context.Background(), driver.Upload{ID: id, Key: "k"})
				if err != nil || len(notes) != 1 || string(notes[0].Data) != "note of "+id {
					return fmt.Errorf("%w: notes %q, %w", errWrong, notes, err)
				}
				return nil
			},
		},
		{
			name: "Note", heals: true, settles: "Uploads.Note",
			run: func(ctx context.Context, w *world) error {
				return w.d.Uploads().Note(ctx, w.up, "1-0000000000000000", []byte("attempt"))
			},
			is: func(w *world) (bool, error) {
				_, notes, err := w.raw.Uploads().Read(context.Background(), w.up)
				if err != nil || len(notes) == 2 && string(notes[1].Data) != "attempt" {
					return false, fmt.Errorf("notes %q, %w", notes, err)
				}
				return len(notes) == 2, nil
			},
		},
		{
			name: "Abort", heals: true, settles: "Uploads.Abort",
			run: func(ctx context.Context, w *world) error { return w.d.Uploads().Abort(ctx, w.up) },
			is: func(w *world) (bool, error) {
				_, _, err := w.raw.Uploads().Read(context.Background(), w.up)
				if err == nil {
					return false, nil
				}
				if driver.Is(err, driver.NoSuchUpload) {
					return true, nil
				}
				return false, err
			},
		},
		{
			name: "WholeUpload", heals: true,
			run: runWholeUpload,
			is:  func(w *world) (bool, error) { return holds(w, "new", slices.Concat(oldBytes, newBytes)) },
		},
	}
}

func runWholeUpload(ctx context.Context, w *world) error {
	u := w.d.Uploads()
	id, err := u.Create(ctx, "new", func(string) ([]byte, error) { return []byte("x"), nil })
	if err != nil {
		return err
	}
	up := driver.Upload{ID: id, Key: "new"}
	var parts []driver.Part
	for i, data := range [][]byte{oldBytes, newBytes} {
		part, err := u.PutPart(ctx, up, i+1, unseekable{bytes.NewReader(data)}, int64(len(data)))
		if err != nil {
			return notDone(err)
		}
		parts = append(parts, *part)
		if err := u.Note(ctx, up, fmt.Sprintf("%d-0000000000000000", i+1), []byte("n")); err != nil {
			return notDone(err)
		}
	}
	_, err = u.Complete(ctx, up, parts, &driver.PutOptions{})
	return err
}

// notDone keeps an UnknownOutcome of an earlier step from excusing a change that only Complete may make.
func notDone(err error) error {
	return &driver.Error{Kind: driver.Internal, Op: "WholeUpload", Err: err}
}
