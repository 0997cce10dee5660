package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sallyport/crypto/object"
	"sallyport/crypto/vault"
	"sallyport/gateway/cache"
	"sallyport/gateway/listing"
	"sallyport/gateway/telemetry"
	"sallyport/gateway/vaults"
	"sallyport/providers"
)

// ListInput is one page of ListObjects, ListObjectsV2 or ListObjectVersions.
type ListInput struct {
	Bucket, Prefix, Delimiter string
	After                     string // marker or start-after: only entries greater than this
	Token                     string // ListObjectsV2's continuation token; excludes After
	Limit                     int    // 0…1000
}

// ListedObject is one object in a page. Size is plaintext, by arithmetic.
type ListedObject struct {
	Key     string
	Size    int64
	ETag    string
	ModTime time.Time
}

// ListOutput is one page. Objects and Prefixes are each in byte order; together they are at most Limit.
type ListOutput struct {
	Objects   []ListedObject
	Prefixes  []string
	More      bool
	NextToken string // opaque, bound to bucket and query; set when More
	Last      string // the greatest name in the page, object or prefix: NextMarker
	Foreign   int    // objects listed with their stored size because no object file has it
	Unopened  int    // objects listed with an opaque ETag because their tail could not be read or opened
}

// List returns one page of a bucket. Under the policy "md5" it reads the tails whose ETag is not remembered; an object whose tail does not
// open is listed with an opaque ETag, and counted.
func (s *Service) List(ctx context.Context, in *ListInput) (*ListOutput, error) {
	out, err := s.list(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, "", err)
	}
	return out, nil
}

const (
	// tailReads is how many tails LIST reads at a time, over all requests.
	tailReads = 64
	// maxPage is S3's limit on the entries of a page.
	maxPage = 1000
)

// entry is an object in a page that is being made.
type entry struct {
	ListedObject
	backendKey  string
	backendETag string
	stored      int64 // bytes at the backend
	gone        bool  // removed since it was listed
	foreign     bool
	unopened    bool
}

func (s *Service) list(ctx context.Context, in *ListInput) (*ListOutput, error) {
	b, err := s.bucket(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	key, err := b.Vault.CacheKey()
	if err != nil {
		return nil, err
	}
	q := listing.Query{Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.After, Limit: min(in.Limit, maxPage)}
	if in.Token != "" {
		if q.After, err = listing.OpenToken(key, b.Name, &q, in.Token); err != nil {
			return nil, &Error{Kind: InvalidArgument, Message: "the continuation token does not belong to this listing", Err: err}
		}
	}
	page, err := collect(ctx, b, q)
	if err != nil {
		return nil, err
	}
	out := &ListOutput{Prefixes: page.Prefixes, More: page.More, Last: page.Last}
	if err := s.complement(ctx, b, page.Items); err != nil {
		return nil, err
	}
	out.Objects = slices.Grow(out.Objects, len(page.Items))
	for _, e := range page.Items {
		if e.gone {
			continue
		}
		out.Objects = append(out.Objects, e.ListedObject)
		if e.foreign {
			out.Foreign++
		}
		if e.unopened {
			out.Unopened++
		}
	}
	s.metrics.ForeignObjects(b.Vault.Name(), out.Foreign)
	if out.Foreign+out.Unopened > 0 {
		s.log.Warn("listed objects that are not readable", telemetry.Bucket(b.Name),
			telemetry.Reason(fmt.Sprintf("%d are foreign, %d do not open", out.Foreign, out.Unopened)))
	}
	if out.More {
		out.NextToken = listing.SealToken(key, b.Name, &q, out.Last)
	}
	return out, nil
}

// collect asks the backend for as many entries as the page takes, and again only when some were not the bucket's.
func collect(ctx context.Context, b *vaults.Bucket, q listing.Query) (*listing.Page[*entry], error) {
	c := listing.NewCollector[*entry](q)
	root := b.Name + "/"
	opts := &providers.ListOptions{Prefix: root + q.Prefix, Delimiter: q.Delimiter, After: root + q.After}
	for !c.Full() {
		opts.Limit = c.Room()
		page, err := b.Vault.Store().List(ctx, opts)
		if err != nil {
			return nil, err
		}
		for i := range page.Entries {
			found := &page.Entries[i]
			opts.After = found.Name()
			more := true
			if found.Prefix != "" {
				more = c.AddPrefix(strings.TrimPrefix(found.Prefix, root))
			} else if key, ok := b.PlainKey(found.Key); ok {
				more = c.Add(key, newEntry(key, found))
			}
			if !more {
				return c.Page(), nil
			}
		}
		switch {
		case !page.More:
			return c.Page(), nil
		case len(page.Entries) == 0:
			return nil, refuse(Internal, "the backend lists nothing and says there is more")
		case c.Full():
			c.MarkMore()
		}
	}
	return c.Page(), nil
}

func newEntry(key string, found *providers.Entry) *entry {
	e := &entry{backendKey: found.Key}
	e.Key = key
	e.revise(&found.Info)
	return e
}

// revise takes over what the backend says of the object, and what follows from it without I/O.
func (e *entry) revise(info *providers.Info) {
	e.backendETag, e.stored = info.ETag, info.Size
	e.ModTime, e.ETag = wholeSeconds(info.ModTime), object.OpaqueETag(info.ETag)
	plain, ok := object.PlainSize(info.Size)
	if e.Size, e.foreign = plain, !ok; !ok {
		e.Size = info.Size
	}
}

// complement gives the entries the ETags that their tails hold. Each tail that is not remembered is read once, many at a time.
func (s *Service) complement(ctx context.Context, b *vaults.Bucket, entries []*entry) error {
	policy, err := b.Vault.Policy()
	if err != nil || policy != vault.ETagMD5 {
		return err
	}
	view, err := s.view(b.Vault)
	if err != nil {
		return err
	}
	var unknown []*entry
	foreign := 0
	for _, e := range entries {
		if e.foreign {
			foreign++
			continue
		}
		if known, ok := view.Get(e.backendKey, e.backendETag); !ok {
			unknown = append(unknown, e)
		} else if !known.IsOpaque() {
			e.ETag = known.String()
		}
	}
	s.metrics.ListCache(b.Vault.Name(), len(entries)-foreign-len(unknown), len(unknown))
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(len(unknown), tailReads) {
		readers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(unknown)); i = next.Add(1) - 1 {
				select {
				case s.tails <- struct{}{}:
				case <-ctx.Done():
					return
				}
				s.readTail(ctx, b, view, unknown[i])
				<-s.tails
			}
		})
	}
	readers.Wait()
	return ctx.Err()
}

// readTail gives one entry the ETag in its tail. If it cannot be had, the entry keeps its opaque one.
func (s *Service) readTail(ctx context.Context, b *vaults.Bucket, view *cache.View, e *entry) {
	r := &storedRevision{place: &place{bucket: b, key: e.Key, backendKey: e.backendKey}}
	var err error
	r.end, r.info, err = readEnd(ctx, r.place, object.TailSize, e.backendETag)
	if errors.Is(err, errChanged) {
		// Replaced since the page was read: the entry then shows the new revision, all of it.
		if r.end, r.info, err = readEnd(ctx, r.place, object.TailSize, ""); err == nil {
			e.revise(r.info)
		}
	}
	switch {
	case providers.Is(err, providers.NotFound):
		e.gone = true
		return
	case err != nil:
		e.unopened = true
		return
	case e.foreign:
		return
	}
	inTail := ""
	if r.id, err = object.ParseTailHeader(r.end); err == nil && r.id.Mode == object.ModeVault {
		if err = r.openTail(ctx, nil); err == nil {
			inTail = r.meta.ETag
		}
	}
	switch {
	case errors.Is(err, object.ErrDamaged), errors.Is(err, object.ErrWrongKey):
		_ = s.damaged(r.place, "the tail of a listed object does not verify", err)
		e.unopened = true
		return
	case isMisplaced(err):
		s.misplaced(r.place, err)
		e.unopened = true
		return
	case err != nil:
		e.unopened = true
		return
	}
	e.ETag = shownETag(vault.ETagMD5, r.id.Mode, inTail, r.info.ETag)
	rememberTail(view, e.backendKey, r.info.ETag, r.id.Mode, inTail)
}

// view is the vault's part of the ETag cache.
func (s *Service) view(v *vaults.Vault) (*cache.View, error) {
	id, err := v.ID()
	if err != nil {
		return nil, err
	}
	key, err := v.CacheKey()
	if err != nil {
		return nil, err
	}
	return s.cache.View(id, key), nil
}

// rememberTail keeps what a tail says of its ETag.
func rememberTail(view *cache.View, backendKey, backendETag string, mode object.Mode, inTail string) {
	etag, ok := cache.ParseETag(inTail)
	if mode == object.ModeCustomer || inTail == "" {
		etag, ok = cache.Opaque(), true
	}
	if ok {
		view.Put(backendKey, backendETag, etag)
	}
}
