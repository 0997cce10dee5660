package local

import (
	"context"
	"io"
	"strings"

	"sallyport/providers/driver"
)

// List walks the directories in the order of their keys, from where the page begins to where it ends.
func (f *Folder) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	const op = "List"
	if err := f.begin(ctx, op, opts.Prefix); err != nil {
		return nil, err
	}
	limit := opts.PageSize()
	w := &walk{ctx: ctx, folder: f, opts: opts, limit: limit, page: &driver.Page{}, from: max(opts.Prefix, firstAfter(opts.After))}
	if group, ok := w.groupOf(opts.After); ok {
		w.skip = group
		w.from = max(w.from, firstNotIn(group))
	}
	if w.from > opts.Prefix && !strings.HasPrefix(w.from, opts.Prefix) {
		return w.page, nil
	}
	prefix := opts.Prefix[:strings.LastIndexByte(opts.Prefix, '/')+1]
	if err := w.directory(prefix); err != nil && !isEnd(err) {
		return nil, fail(op, opts.Prefix, err)
	}
	return w.page, nil
}

// firstAfter returns the smallest key greater than after. Keys hold no NUL.
func firstAfter(after string) string {
	if after == "" {
		return ""
	}
	return after + "\x00"
}

// firstNotIn returns a string greater than every key beginning with prefix and not greater than any later one.
func firstNotIn(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return strings.Repeat("\xff", maxKey+1) // greater than every key
}

// walk collects one page.
type walk struct {
	ctx    context.Context //nolint:containedctx // lives as long as one List
	folder *Folder
	opts   *driver.ListOptions
	limit  int
	page   *driver.Page
	from   string // only keys ≥ from are wanted
	skip   string // a group that is done, if not empty
}

// groupOf returns the common prefix that a key, or all keys beginning with it, fall under.
func (w *walk) groupOf(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, w.opts.Prefix)
	if !ok || w.opts.Delimiter == "" {
		return "", false
	}
	i := strings.Index(rest, w.opts.Delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(w.opts.Prefix)+i+len(w.opts.Delimiter)], true
}

// directory walks the keys beginning with prefix, which is "" or ends in a slash. io.EOF ends the whole walk.
func (w *walk) directory(prefix string) error {
	dir, ok := w.folder.names.dir(prefix)
	if !ok || len(prefix) > maxKey {
		return nil
	}
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		window, err := w.folder.listing.get(prefix, dir, w.nameFrom(prefix))
		if err != nil {
			if isAbsent(err) {
				return nil // no such directory, or pruned meanwhile
			}
			return err
		}
		if err := window.each(func(name string) error { return w.name(prefix, name) }); err != nil {
			return err
		}
		if window.complete {
			return nil
		}
		last := prefix + window.names[len(window.names)-1]
		if strings.HasSuffix(last, "/") {
			w.from = max(w.from, firstNotIn(last))
		} else {
			w.from = max(w.from, firstAfter(last))
		}
	}
}

// nameFrom returns the smallest name in the directory of prefix that can lead to a key ≥ w.from.
func (w *walk) nameFrom(prefix string) string {
	rest, ok := strings.CutPrefix(w.from, prefix)
	if !ok {
		return "" // w.from comes before everything here; the caller has seen that it does not come after
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[:i+1]
	}
	return rest
}

// name handles one name: an object, a group, or a directory to descend into.
func (w *walk) name(prefix, name string) error {
	full := prefix + name
	isDirectory := strings.HasSuffix(name, "/")
	switch {
	case w.skip != "" && strings.HasPrefix(full, w.skip):
		return nil
	case full < w.from && !(isDirectory && strings.HasPrefix(w.from, full)):
		return nil
	case !strings.HasPrefix(full, w.opts.Prefix) && !(isDirectory && strings.HasPrefix(w.opts.Prefix, full)):
		return io.EOF // beyond the prefix, since it is not before it
	}
	group, grouped := w.groupOf(full)
	if isDirectory && !grouped {
		return w.directory(full)
	}
	if isDirectory {
		found, err := w.folder.holdsObject(full)
		if err != nil || !found {
			return err
		}
		return w.addGroup(group)
	}
	p, ok := w.folder.names.path(full)
	if !ok {
		w.folder.foreign.Add(1)
		return nil
	}
	s, err := w.folder.files.Stat(p)
	if err != nil || !isFile(s.Mode) {
		if err == nil || isAbsent(err) {
			return nil // gone or replaced meanwhile
		}
		return err
	}
	if grouped {
		return w.addGroup(group)
	}
	return w.add(driver.Entry{Info: *w.folder.info(full, s)})
}

func (w *walk) addGroup(group string) error {
	w.skip = group
	if err := w.add(driver.Entry{Prefix: group}); err != nil {
		return err
	}
	w.from = max(w.from, firstNotIn(group))
	return nil
}

func (w *walk) add(e driver.Entry) error {
	if len(w.page.Entries) == w.limit {
		w.page.More = true
		return io.EOF
	}
	w.page.Entries = append(w.page.Entries, e)
	return nil
}
