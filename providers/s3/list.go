package s3

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sallyport/providers/driver"
)

// maxPage is how much of a list, of objects or of parts, the service tells at once.
const maxPage = 1000

// listAnswer is a page as the service has it. Names are decoded by listOnce.
type listAnswer struct {
	XMLName               xml.Name `xml:"ListBucketResult"` // a page of something else must not read as an empty list
	EncodingType          string
	IsTruncated           bool
	NextContinuationToken string
	Contents              []listedContent
	CommonPrefixes        []listedPrefix
}

type listedContent struct {
	Key          string
	LastModified time.Time
	ETag         string
	Size         int64
}

type listedPrefix struct{ Prefix string }

// listOnce makes one list request.
func (b *Bucket) listOnce(ctx context.Context, op string, query url.Values, into *listAnswer) error {
	query.Set("list-type", "2")
	query.Set("encoding-type", "url")
	ctx, x := record(ctx, nil)
	c := &call{op: op, x: x, notKey: true}
	if err := b.send(ctx, x, &own{method: http.MethodGet, query: query}, into); err != nil {
		return b.classify(ctx, c, err)
	}
	if into.EncodingType == "" {
		return nil
	}
	decode := func(text *string) error {
		plain, err := url.QueryUnescape(*text)
		if err != nil {
			return fail(driver.Corrupt, op, "", fmt.Errorf("%w: a name in a list is not well escaped", errContradiction))
		}
		*text = plain
		return nil
	}
	for i := range into.Contents {
		if err := decode(&into.Contents[i].Key); err != nil {
			return err
		}
	}
	for i := range into.CommonPrefixes {
		if err := decode(&into.CommonPrefixes[i].Prefix); err != nil {
			return err
		}
	}
	return nil
}

// List implements driver.Driver.
func (b *Bucket) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	const op = "List"
	if err := b.begin(ctx, op, ""); err != nil {
		return nil, err
	}
	limit := opts.PageSize()
	page := &driver.Page{}
	scan := newScan(b, op, opts.Prefix, opts.Delimiter, opts.After, limit+1)
	for {
		if len(page.Entries) == limit && scan.goesOn() {
			page.More = true
			return page, nil
		}
		entry, ok, err := scan.next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			return page, nil
		}
		if len(page.Entries) == limit {
			page.More = true
			return page, nil
		}
		page.Entries = append(page.Entries, entry)
	}
}

// scan walks through a listing, entry by entry in order. Delimiters other than "/" are grouped here: services that keep folders know no other.
type scan struct {
	b                        *Bucket
	op                       string
	prefix, delimiter, after string
	asked                    string // the prefix that the service is asked for
	native                   bool   // the service groups
	want                     int    // entries that are hoped for
	token, start             string // where the next request begins; both "" at first
	entries                  []driver.Entry
	ended                    bool
	progress                 progress
}

func newScan(b *Bucket, op, prefix, delimiter, after string, want int) *scan {
	s := &scan{b: b, op: op, prefix: prefix, delimiter: delimiter, after: after, want: want, start: b.names.startable(after)}
	asked, possible := b.names.listable(prefix)
	s.asked, s.ended = asked, !possible
	// What was cut off the prefix may hold part of a folder's name, so that the service would group too early.
	s.native = delimiter == "/" && asked == prefix
	return s
}

// next returns the next entry behind after, false at the end.
func (s *scan) next(ctx context.Context) (driver.Entry, bool, error) {
	for {
		for len(s.entries) > 0 {
			entry := s.entries[0]
			s.entries = s.entries[1:]
			ok, err := s.visible(ctx, &entry)
			if err != nil {
				return driver.Entry{}, false, err
			}
			if ok {
				s.after = entry.Name()
				return entry, true, nil
			}
		}
		if s.ended {
			return driver.Entry{}, false, nil
		}
		if err := s.fetch(ctx); err != nil {
			return driver.Entry{}, false, err
		}
	}
}

// goesOn reports whether it is certain, without another request, that something visible follows: the service has more, and whatever sorts behind
// the gateway's own objects is visible and no part of what was shown already.
func (s *scan) goesOn() bool {
	return len(s.entries) == 0 && !s.ended && (s.native || s.delimiter == "") && s.asked == s.prefix && s.after >= behindSystemDir
}

// behindSystemDir is the least name behind all that begin with systemDir.
const behindSystemDir = ".sallyport0"

// visible groups an entry and reports whether it belongs into the listing.
func (s *scan) visible(ctx context.Context, e *driver.Entry) (bool, error) {
	if e.Prefix == "" {
		if driver.Reserved(e.Key) || !driver.ValidKey(e.Key, s.b.names.maxKey) {
			return false, nil
		}
		if s.delimiter != "" {
			if before, _, found := strings.Cut(e.Key[len(s.prefix):], s.delimiter); found {
				*e = driver.Entry{Prefix: s.prefix + before + s.delimiter}
			}
		}
	}
	if e.Name() <= s.after {
		return false, nil
	}
	if s.native && e.Prefix != "" && strings.HasPrefix(systemDir, e.Prefix) {
		return s.hasVisible(ctx, e.Prefix)
	}
	if s.native && e.Prefix != "" && driver.Reserved(e.Prefix) {
		return false, nil
	}
	return true, nil
}

// hasVisible reports whether anything but the drivers' own files lies below folder.
func (s *scan) hasVisible(ctx context.Context, folder string) (bool, error) {
	_, ok, err := newScan(s.b, s.op, folder, "", "", 2).next(ctx)
	return ok, err
}

// fetch gets the next entries from the service, in order.
func (s *scan) fetch(ctx context.Context) error {
	base := s.b.names.prefix
	want := min(max(s.want, 2), maxPage)
	if s.b.names.strict && (s.token != "" || s.start != "") {
		// MinIO has a fault here. If the place to begin continues other keys by a byte below '/' (the keys "a" and "a-", the place "a-b"), it counts
		// these keys for the page, leaves them out only then, and says that the list has ended because the page is short. Its reserve against that is
		// 4 keys and a sixteenth of the page, so the largest page is asked for.
		want = maxPage
	}
	query := url.Values{"prefix": {base + s.asked}, "max-keys": {strconv.Itoa(want)}}
	if s.native {
		query.Set("delimiter", "/")
	}
	switch {
	case s.token != "":
		query.Set("continuation-token", s.token)
	case s.start != "":
		query.Set("start-after", base+s.start)
	}
	answer := listAnswer{}
	if err := s.b.listOnce(ctx, s.op, query, &answer); err != nil {
		return err
	}
	last := s.progress.last
	s.entries = make([]driver.Entry, 0, len(answer.Contents)+len(answer.CommonPrefixes))
	for i, j := 0, 0; i < len(answer.Contents) || j < len(answer.CommonPrefixes); {
		var entry driver.Entry
		if j == len(answer.CommonPrefixes) || i < len(answer.Contents) && answer.Contents[i].Key < answer.CommonPrefixes[j].Prefix {
			o := &answer.Contents[i]
			entry.Info = driver.Info{Key: o.Key, Size: o.Size, ETag: unquoted(o.ETag), ModTime: o.LastModified}
			i++
		} else {
			entry.Prefix = answer.CommonPrefixes[j].Prefix
			j++
		}
		name, ok := strings.CutPrefix(entry.Name(), base)
		if !ok || !strings.HasPrefix(name, s.asked) || name < last {
			return fail(driver.Corrupt, s.op, "", fmt.Errorf("%w: a list is out of order or holds what was not asked for", errContradiction))
		}
		last = name
		if !strings.HasPrefix(name, s.prefix) {
			continue
		}
		if entry.Prefix != "" {
			entry.Prefix = name
		} else {
			entry.Key = name
		}
		s.entries = append(s.entries, entry)
	}
	s.ended = !answer.IsTruncated
	if err := s.progress.page(s.op, &answer, last); err != nil {
		return err
	}
	s.token = answer.NextContinuationToken
	if !s.native && driver.Reserved(last) && !s.ended {
		s.skip(last)
	}
	return nil
}

// maxEmptyPages is how many pages in a row may bring nothing new and promise more.
const maxEmptyPages = 100

// progress sees to it that a listing ends: pages go on in order, and there is always something to come.
type progress struct {
	last  string // greatest name so far
	empty int    // pages in a row that brought none
}

// page takes note of a page whose greatest name is last.
func (p *progress) page(op string, answer *listAnswer, last string) error {
	if last == p.last {
		p.empty++
	} else {
		p.last, p.empty = last, 0
	}
	if answer.IsTruncated && (answer.NextContinuationToken == "" || p.empty > maxEmptyPages) {
		return fail(driver.Corrupt, op, "", fmt.Errorf("%w: a list goes on and gets nowhere", errContradiction))
	}
	return nil
}

// skip goes on behind the folder of drivers' own files that the listing has come to: there may be a million notes in it.
func (s *scan) skip(last string) {
	for _, folder := range []string{uploadsDir, systemDir + "tmp/"} {
		if strings.HasPrefix(last, folder) {
			s.token, s.start = "", folder+"~"
		}
	}
}
