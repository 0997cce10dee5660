package jobs

import (
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
)

// RecoverOptions say what Recover reads and where it writes. From, To and Keyring are required.
type RecoverOptions struct {
	From, To string
	Keyring  object.Keyring
	// Progress is called when everything is listed, then often while files are decrypted, from one goroutine at a time; nil = nobody watches.
	Progress func(Progress)
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
	Renamed                []Problem // restored, under another path than their key: see the manifest
	Damaged                []Problem // ours, and they do not verify or could not be read or written
	Locked                 []Problem // not verified, because they are sealed with a key that was not given
	Foreign                []string  // files that are not Sallyport's
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
	from, to *os.Root
	manifest *json.Encoder
	naming   sync.Mutex // see writeWhole

	mu       sync.Mutex
	report   RecoverReport
	progress Progress
	taken    map[string]string // output path -> source
}

// recoverWorkers overlap the reading of one file with the syncing of another.
const recoverWorkers = 4

// Recover decrypts every object file below From into To as <bucket>/<key>, with its time of last modification. It walks any tree, whatever
// the files are called. Every byte is verified before it is written to a file that then gets its name; what fails is in the report and
// the rest goes on. It may be run again: files that are there with the right size and time are left alone. A file that is there already is
// never replaced, and neither is the manifest of an earlier run. A key that cannot be a path here, or whose path is taken by something else,
// and a second file that claims the same key, go to a folder of their own that the manifest explains.
//
// The error is for what ends the work: ctx, or From and To themselves. The report is valid then too.
func Recover(ctx context.Context, opts *RecoverOptions) (report *RecoverReport, err error) {
	r := &recovery{opts: opts, taken: map[string]string{}}
	report = &r.report
	if r.from, err = os.OpenRoot(opts.From); err != nil {
		return report, fmt.Errorf("recover from %s: %w", opts.From, err)
	}
	defer func() { _ = r.from.Close() }()
	if err := os.MkdirAll(opts.To, 0o700); err != nil {
		return report, fmt.Errorf("recover to %s: %w", opts.To, err)
	}
	if r.to, err = os.OpenRoot(opts.To); err != nil {
		return report, fmt.Errorf("recover to %s: %w", opts.To, err)
	}
	defer func() { _ = r.to.Close() }()
	list, err := createManifest(r.to)
	if err != nil {
		return report, fmt.Errorf("recover to %s: %w", opts.To, err)
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	r.manifest = json.NewEncoder(list)
	r.report.Manifest = list.Name()

	sources, err := r.scan(ctx)
	if err != nil {
		return report, err
	}
	r.advance(0, 0)
	var work errgroup.Group
	work.SetLimit(recoverWorkers)
	for _, s := range sources {
		if ctx.Err() != nil {
			break
		}
		// Tails are opened in order, so that of two files with one key the same one gets the name in every run.
		restore, seen := r.prepare(s), &seenBytes{r: r, size: s.size}
		work.Go(func() error {
			if restore != nil {
				restore(ctx, seen)
			}
			seen.end()
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return report, err
	}
	if ctx.Err() != nil {
		return report, fmt.Errorf("recover: stopped before the end; run it again to go on: %w", context.Cause(ctx))
	}
	return report, list.Sync()
}

type source struct {
	path string
	size int64
}

// scan lists the regular files below From. The gateway's own folder is left out: it holds no object.
func (r *recovery) scan(ctx context.Context) ([]source, error) {
	var found []source
	err := fs.WalkDir(r.from.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			r.report.Damaged = append(r.report.Damaged, Problem{Path: p, Err: err})
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
			r.report.Foreign = append(r.report.Foreign, p)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			r.report.Damaged = append(r.report.Damaged, Problem{Path: p, Err: err})
			return nil
		}
		found = append(found, source{p, info.Size()})
		r.progress.TotalFiles++
		r.progress.TotalBytes += info.Size()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("recover from %s: %w", r.opts.From, err)
	}
	return found, nil
}

func (r *recovery) advance(files int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Files += files
	r.progress.Bytes += bytes
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

// add counts n bytes of plaintext as so many of the file: it has few others.
func (s *seenBytes) add(n int) {
	if more := min(int64(n), s.size-s.counted); more > 0 {
		s.counted += more
		s.r.advance(0, more)
	}
}

// end counts the rest, read or not.
func (s *seenBytes) end() { s.r.advance(1, s.size-s.counted) }

// prepare opens a file's tail, decides where the object goes, and returns what restores it; nil when there is nothing to restore.
func (r *recovery) prepare(s source) func(context.Context, *seenBytes) {
	f, err := r.from.Open(s.path)
	if err != nil {
		r.damaged(s, nil, err)
		return nil
	}
	opened, err := OpenFile(f, s.size, r.opts.Keyring)
	if err != nil {
		r.unopened(s, lostEnd(f, s.size, err))
		_ = f.Close()
		return nil
	}
	m := opened.Metadata
	name, problem := r.place(s, m)
	renamed := renamedPath(m.Bucket, m.Key, s.path)
	for at, why := range map[string]error{name: problem, renamed: errors.New("its name cannot be a path here")} {
		if r.isThere(at, m) {
			_ = f.Close()
			if problem != nil {
				why = problem
			}
			r.restored(s, m, at, why, true)
			return nil
		}
	}
	return func(ctx context.Context, seen *seenBytes) {
		defer func() { _ = f.Close() }()
		body := &contextReader{ctx, opened.Reader(), seen}
		there, err := writeWhole(r.to, &r.naming, name, body, m.Plain, m.Time)
		if err != nil && problem == nil && !isReadFailure(err) {
			// The path may clash with another object's (a file where a folder must be, a name that differs by case only), with a file that is
			// not ours to replace, or be too long for this file system.
			body = &contextReader{ctx, opened.Reader(), seen}
			thereToo, again := writeWhole(r.to, &r.naming, renamed, body, m.Plain, m.Time)
			if again == nil {
				r.restored(s, m, renamed, fmt.Errorf("its name cannot be a path here: %w", err), thereToo)
				return
			}
		}
		switch {
		case err == nil:
			r.restored(s, m, name, problem, there)
		case ctx.Err() == nil: // being stopped says nothing about the file
			r.damaged(s, m, err)
		}
	}
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
	info, err := r.to.Stat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == m.Plain && info.ModTime().Equal(m.Time)
}

// place picks the output path; the problem says why it is not the key's own.
func (r *recovery) place(s source, m *object.Metadata) (name string, problem error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, ok := keyPath(m.Bucket, m.Key)
	if !ok {
		return renamedPath(m.Bucket, m.Key, s.path), errors.New("its name cannot be a path")
	}
	if first, ok := r.taken[name]; ok {
		return renamedPath(m.Bucket, m.Key, s.path), fmt.Errorf("%s is the same object", first)
	}
	r.taken[name] = s.path
	return name, nil
}

func (r *recovery) unopened(s source, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Problem{Path: s.path, Err: err}
	switch {
	case errors.Is(err, object.ErrForeign):
		r.report.Foreign = append(r.report.Foreign, s.path)
	case isLocked(err):
		r.report.Locked = append(r.report.Locked, p)
	default:
		r.report.Damaged = append(r.report.Damaged, p)
	}
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

func (r *recovery) damaged(s source, m *object.Metadata, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Problem{Path: s.path, Err: err}
	if m != nil {
		p.Bucket, p.Key = m.Bucket, m.Key
	}
	r.report.Damaged = append(r.report.Damaged, p)
}

func (r *recovery) restored(s source, m *object.Metadata, name string, problem error, already bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if already {
		r.report.AlreadyThere++
	} else {
		r.report.Restored++
		r.report.Bytes += m.Plain
	}
	if problem != nil {
		r.report.Renamed = append(r.report.Renamed, Problem{Path: name, Bucket: m.Bucket, Key: m.Key, Err: problem})
	}
	row := manifestRow{
		File: name, Bucket: m.Bucket, Key: m.Key, Size: m.Plain, ETag: m.ETag, Modified: m.Time.UTC(), Headers: m.Headers,
		Metadata: m.UserMetadata, Source: s.path,
	}
	if err := r.manifest.Encode(row); err != nil {
		r.report.Damaged = append(r.report.Damaged, Problem{Path: path.Base(r.report.Manifest), Err: err})
	}
}

// readFailure marks an error as one of the source, so that writing elsewhere would not help.
type readFailure struct{ error }

// Unwrap returns the cause.
func (e readFailure) Unwrap() error { return e.error }

func isReadFailure(err error) bool {
	_, ok := errors.AsType[readFailure](err)
	return ok
}

// contextReader ends a long copy when ctx does, and tells how far it is.
type contextReader struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call of writeWhole
	r    io.Reader
	seen *seenBytes
}

// Read implements io.Reader.
func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, readFailure{err}
	}
	n, err := c.r.Read(p)
	c.seen.add(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = readFailure{err}
	}
	return n, err
}
