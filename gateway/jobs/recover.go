package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/crypto/object"
	"sallyport/providers/local"
)

// RecoverOptions say what Recover reads and where it writes. From, To and Keyring are required.
type RecoverOptions struct {
	From, To string
	Keyring  *Keyring
	// Progress is called when everything is listed, then often while files are decrypted, from one goroutine at a time; nil = nobody watches.
	Progress func(Progress)

	disk disk // nil = the real one
}

// Progress is how far a job is. Bytes are those of encrypted files.
type Progress struct {
	Files, TotalFiles int
	Bytes, TotalBytes int64
}

// Problem is one file that was not restored, or not as it is named.
type Problem struct {
	Path        string // below From
	Bucket, Key string // as sealed, when that much could be read
	Err         error
}

// RecoverReport says what became of every file below From.
type RecoverReport struct {
	Restored, AlreadyThere int
	Bytes                  int64     // of plaintext, restored now
	Strayed                int       // of those, from files that lie where no gateway puts them: such may be deleted objects
	Renamed                []Problem // restored, under another path than their key: see the manifest
	Unwritten              []Problem // for all that is known intact, but To did not take them: ErrNotWritten
	Damaged                []Problem // do not verify, could not be read, or hold nothing of Sallyport's in the place of an object
	Locked                 []Problem // not verified, because they are sealed with a key that was not given
	Foreign                []string  // files that are not Sallyport's, by their content and by where they lie
	Manifest               string    // path of the list of all restored objects
}

// manifestRow is one object in the manifest: what a file cannot carry.
type manifestRow struct {
	File     string            `json:"file"`
	Bucket   string            `json:"bucket"`
	Key      string            `json:"key"`
	Size     int64             `json:"size"`
	ETag     string            `json:"etag,omitempty"`
	Modified time.Time         `json:"modified"`
	Headers  map[string]string `json:"headers,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Source   string            `json:"source"`
}

// recovery is one run of Recover.
type recovery struct {
	opts     *RecoverOptions
	from     *os.Root
	to       *output
	layout   string // of From
	manifest *json.Encoder
	end      context.CancelCauseFunc

	mu       sync.Mutex
	report   RecoverReport
	progress Progress
	strays   []stray
}

// recoverWorkers overlap the reading of one file with the syncing of another.
const recoverWorkers = 4

// Recover decrypts every object file below From into To as <bucket>/<key>, with its time of last modification. It walks any tree, whatever
// the files are called. Every byte is verified before it is written to a file that then gets its name; what fails is in the report and
// the rest goes on. It may be run again: files that are there with the right size and time are left alone. A file that is there already is
// never replaced, and neither is the manifest of an earlier run. A key that cannot be a path here, or whose path is taken by something else,
// goes to a folder of its own that the manifest explains.
//
// Of several files that claim one key the one in the key's place in the root is the object, whatever state it is in, and where none lies there, the
// one sealed last. The others are older versions and copies, as NAS systems and sync clients keep them; they go to that folder too.
// Memory grows with the number of files that lie elsewhere than in the place of their key, and with what is reported.
//
// The error is for what ends the work: ctx, a To without space, or From and To themselves. The report is valid then too.
func Recover(ctx context.Context, opts *RecoverOptions) (report *RecoverReport, err error) {
	r := &recovery{opts: opts}
	ctx, r.end = context.WithCancelCause(ctx)
	defer r.end(nil)
	report = &r.report
	if r.from, err = os.OpenRoot(opts.From); err != nil {
		return report, fmt.Errorf("recover from %s: %w", opts.From, err)
	}
	defer func() { _ = r.from.Close() }()
	to, closeOutput, err := openOutput(opts.To)
	if err != nil {
		return report, fmt.Errorf("recover to %s: %w", opts.To, err)
	}
	defer func() { err = errors.Join(err, closeOutput()) }()
	r.to = to
	if opts.disk != nil {
		to.disk = opts.disk
	}
	list, err := createManifest(r.to.root)
	if err != nil {
		return report, fmt.Errorf("recover to %s: %w", opts.To, err)
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	r.manifest = json.NewEncoder(list)
	r.report.Manifest = list.Name()

	if r.layout, err = local.LayoutOf(r.from.FS()); err != nil {
		return report, fmt.Errorf("recover from %s: %w", opts.From, err)
	}
	if err := r.restoreAll(ctx); err != nil {
		return report, err
	}
	r.to.named(path.Base(list.Name()))
	if err := errors.Join(list.Sync(), r.to.syncNames()); err != nil {
		return report, fmt.Errorf("recover to %s: %w: run it again", opts.To, err)
	}
	return report, nil
}

// restoreAll restores what lies in its place while it walks, and then what strayed.
func (r *recovery) restoreAll(ctx context.Context) error {
	if err := r.walk(ctx, func(string, error) {}, func(s source) {
		r.progress.TotalFiles++
		r.progress.TotalBytes += s.size
	}); err != nil {
		return err
	}
	r.advance(0, 0)
	var work errgroup.Group
	work.SetLimit(recoverWorkers)
	start := func(s source, restore func(context.Context, *seenBytes)) {
		seen := &seenBytes{r: r, size: s.size}
		work.Go(func() error {
			if restore != nil {
				restore(ctx, seen)
			}
			seen.end()
			return nil
		})
	}
	err := r.walk(ctx, r.unusable, func(s source) {
		if restore, strayed := r.prepare(s); !strayed {
			start(s, restore)
		}
	})
	if err == nil {
		for s, to := range r.settleStrays() {
			if ctx.Err() != nil {
				break
			}
			start(s.source, r.prepareStray(s, to))
		}
	}
	return errors.Join(err, work.Wait(), r.stopped(ctx))
}

func (r *recovery) stopped(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return nil
	case errors.Is(cause, errNoSpace):
		return fmt.Errorf("recover to %s: %w", r.opts.To, cause)
	}
	return fmt.Errorf("recover: stopped before the end; run it again to go on: %w", context.Cause(ctx))
}

type source struct {
	path string
	size int64
}

// walk visits the regular files below From in order. unusable is called for everything else that is no folder, with the error if it could not be
// looked at. The gateway's own folder is left out: it holds no object. When ctx ends, walk ends early and without an error.
func (r *recovery) walk(ctx context.Context, unusable func(path string, err error), visit func(source)) error {
	err := fs.WalkDir(r.from.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil {
			unusable(p, err)
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		switch {
		case p == ".sallyport" && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			unusable(p, nil)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			unusable(p, err)
			return nil
		}
		visit(source{p, info.Size()})
		return nil
	})
	if err != nil {
		return fmt.Errorf("recover from %s: %w", r.opts.From, err)
	}
	return nil
}

// unusable reports what is no folder and no regular file, or could not be looked at.
func (r *recovery) unusable(path string, err error) {
	s := source{path: path}
	if err != nil {
		r.damaged(s, nil, err)
	} else if why := r.inAnObjectsPlace(path, false); why != nil {
		r.damaged(s, nil, fmt.Errorf("%w: it is no regular file, and links are not followed", why))
	} else {
		r.foreign(s)
	}
}

func (r *recovery) advance(files int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Files = min(r.progress.Files+files, r.progress.TotalFiles) // more, if somebody writes there meanwhile
	r.progress.Bytes = min(r.progress.Bytes+bytes, r.progress.TotalBytes)
	if r.opts.Progress != nil {
		r.opts.Progress(r.progress)
	}
}

// seenBytes tells of the progress within one file.
type seenBytes struct {
	r       *recovery
	size    int64 // of the encrypted file
	counted int64 // at most size, also when the file is read a second time
}

// add counts n bytes of plaintext as so many bytes of the file, which has few others.
func (s *seenBytes) add(n int) {
	if more := min(int64(n), s.size-s.counted); more > 0 {
		s.counted += more
		s.r.advance(0, more)
	}
}

// end counts the rest, read or not.
func (s *seenBytes) end() { s.r.advance(1, s.size-s.counted) }

// open opens a file and its tail; nil when there is nothing to restore, which is in the report then.
func (r *recovery) open(s source) (*os.File, *object.File) {
	f, err := r.from.Open(s.path)
	if err != nil {
		r.damaged(s, nil, err)
		return nil, nil
	}
	opened, err := OpenFile(f, s.size, r.opts.Keyring)
	if err != nil {
		r.unopened(s, lostEnd(f, s.size, err))
		_ = f.Close()
		return nil, nil
	}
	return f, opened
}

// prepare returns what restores the file if it lies in the place of its key, nil when there is nothing to restore. Others it puts to the strays.
func (r *recovery) prepare(s source) (restore func(context.Context, *seenBytes), strayed bool) {
	f, opened := r.open(s)
	if f == nil {
		return nil, false
	}
	c := claimOf(opened)
	if at, ok := r.home(c); !ok || at != s.path {
		_ = f.Close()
		r.strays = append(r.strays, stray{s, c})
		return nil, true
	}
	return r.restoration(s, f, opened, place(c, s.path)), false
}

// prepareStray is prepare for a stray whose place is settled.
func (r *recovery) prepareStray(s stray, to placed) func(context.Context, *seenBytes) {
	f, opened := r.open(s.source)
	if f == nil {
		return nil
	}
	if claimOf(opened) != s.claim {
		_ = f.Close()
		r.damaged(s.source, opened.Metadata, errors.New("it was replaced meanwhile: is a gateway or another program writing there?"))
		return nil
	}
	return r.restoration(s.source, f, opened, to)
}

// restoration returns what writes the plaintext of f and closes it; nil when an earlier run did so.
func (r *recovery) restoration(s source, f *os.File, opened *object.File, to placed) func(context.Context, *seenBytes) {
	m := opened.Metadata
	instead := placed{name: renamedPath(m.Bucket, m.Key, s.path), problem: cmp.Or(to.problem, errors.New("its name cannot be a path here"))}
	for _, at := range []placed{to, instead} {
		if r.isThere(at.name, m) {
			_ = f.Close()
			r.restored(s, m, at, true)
			return nil
		}
	}
	return func(ctx context.Context, seen *seenBytes) {
		defer func() { _ = f.Close() }()
		at, there, err := r.write(to, instead, &contextReader{ctx, opened.Reader(), seen}, m)
		switch {
		case err == nil:
			r.restored(s, m, at, there)
		case errors.Is(err, ErrNotWritten):
			r.unwritten(Problem{Path: s.path, Bucket: m.Bucket, Key: m.Key, Err: err})
		case ctx.Err() == nil: // being stopped says nothing about the file
			r.damaged(s, m, err)
		}
	}
}

// write writes one object's plaintext to where it goes, or instead where that name cannot be had.
func (r *recovery) write(to, instead placed, body io.Reader, m *object.Metadata) (at placed, there bool, err error) {
	temp, err := r.to.stage(body, m.Plain, m.Time)
	if err != nil {
		return to, false, err
	}
	there, err = r.to.publish(temp, to.name)
	if err != nil && !isNoSpace(err) && to.name != instead.name {
		// The path may clash with another object's (a file where a folder must be, a name that differs by case only), with a file that is
		// not ours to replace, or be too long for this file system.
		to = placed{name: instead.name, problem: fmt.Errorf("its name cannot be a path here: %w", err)}
		there, err = r.to.publish(temp, to.name)
	}
	if err != nil {
		err = errors.Join(notWritten(err), r.to.root.Remove(temp))
	}
	return to, there, err
}

// errLostEnd is what is left of an object whose last bytes, by which it would be known, are gone.
var errLostEnd = fmt.Errorf("%w: it begins as an object of Sallyport's and has lost its end", object.ErrDamaged)

// lostEnd tells a file that was cut from one that was never ours, as far as its beginning tells.
func lostEnd(f io.ReaderAt, size int64, err error) error {
	if !errors.Is(err, object.ErrForeign) {
		return err
	}
	in, inspectErr := object.Inspect(f, size)
	switch {
	case inspectErr != nil:
		return fmt.Errorf("look at the beginning: %w", inspectErr)
	case errors.Is(in.FrameErr, object.ErrForeign):
		return err
	}
	return errLostEnd
}

// isThere reports whether an earlier run restored the object to this path: only whole verified files get their name and the object's time.
func (r *recovery) isThere(name string, m *object.Metadata) bool {
	info, err := r.to.root.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == m.Plain && info.ModTime().Equal(m.Time)
}

func (r *recovery) unopened(s source, err error) {
	switch foreign := errors.Is(err, object.ErrForeign); {
	case isLocked(err):
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Locked = append(r.report.Locked, Problem{Path: s.path, Err: err})
	case !foreign:
		r.damaged(s, nil, err)
	default:
		if err = r.inAnObjectsPlace(s.path, true); err == nil {
			r.foreign(s)
			return
		}
		r.damaged(s, nil, fmt.Errorf("%w: it was emptied or overwritten, or somebody else put it there", err))
	}
}

func (r *recovery) foreign(s source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Foreign = append(r.report.Foreign, s.path)
}

// isLocked reports whether another key would open the file, as far as can be told.
func isLocked(err error) bool {
	for _, lacking := range []error{ErrNeedsCustomerKey, ErrOtherCustomerKey, ErrNeedsVault, ErrOtherVault, ErrOlderVaultFile} {
		if errors.Is(err, lacking) {
			return true
		}
	}
	return false
}

// unwritten reports what To did not take, and ends the run where To takes nothing more.
func (r *recovery) unwritten(p Problem) {
	if isNoSpace(p.Err) {
		r.end(fmt.Errorf("%w: %w", errNoSpace, p.Err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Unwritten = append(r.report.Unwritten, p)
}

func (r *recovery) damaged(s source, m *object.Metadata, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Problem{Path: s.path, Err: err}
	if m != nil {
		p.Bucket, p.Key = m.Bucket, m.Key
	}
	r.report.Damaged = append(r.report.Damaged, p)
}

func (r *recovery) restored(s source, m *object.Metadata, at placed, already bool) {
	if err := r.list(s, m, at, already); err != nil {
		r.unwritten(Problem{Path: path.Base(r.report.Manifest), Err: notWritten(err)})
	}
}

// list counts an object and writes its row.
func (r *recovery) list(s source, m *object.Metadata, at placed, already bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if already {
		r.to.named(at.name) // a run that was stopped gave it that name, and no more
		r.report.AlreadyThere++
	} else {
		r.report.Restored++
		r.report.Bytes += m.Plain
	}
	if at.strayed {
		r.report.Strayed++
	}
	if at.problem != nil {
		r.report.Renamed = append(r.report.Renamed, Problem{Path: at.name, Bucket: m.Bucket, Key: m.Key, Err: at.problem})
	}
	return r.manifest.Encode(manifestRow{
		File: at.name, Bucket: m.Bucket, Key: m.Key, Size: m.Plain, ETag: m.ETag, Modified: m.Time.UTC(), Headers: m.Headers,
		Metadata: m.UserMetadata, Source: s.path,
	})
}

// contextReader ends a long copy when ctx does, and tells how far it is.
type contextReader struct {
	ctx  context.Context //nolint:containedctx // lives as long as one file is restored
	r    io.Reader
	seen *seenBytes // nil = nobody watches
}

// Read implements io.Reader.
func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if c.seen != nil {
		c.seen.add(n)
	}
	return n, err
}
