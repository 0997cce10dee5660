// Package probe tries what a backend can really do, by asking it through its driver: conditions, races, reads and lists after writes, parts,
// names. A driver says what it can do; this says whether that is so, and what follows for whoever runs gateways on it.
//
// It writes only below ".sallyport/probe/" and, where the names of objects matter, below "sallyport-probe-…/", which is no bucket; both with a
// random part. It removes what it wrote, also after a failure, as far as the backend lets it. It proves faults, not their absence: a race that was lost once in a thousand times is not found here.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/providers/driver"
)

// Verdict is how a question came out.
type Verdict int

// The verdicts.
const (
	OK      Verdict = iota // it works as it must
	Lacking                // the backend cannot do it and says so; what follows is said
	Failed                 // it does not do what it must or what its driver claims: do not keep backups there
)

// String returns the word for people.
func (v Verdict) String() string {
	switch v {
	case OK:
		return "ok"
	case Lacking:
		return "no"
	case Failed:
		return "FAILED"
	}
	return fmt.Sprintf("verdict %d", int(v))
}

// Finding is the answer to one question.
type Finding struct {
	Question string // what was tried
	Verdict  Verdict
	Seen     string // what happened, when it is not OK
	Means    string // what follows, when it is not OK
}

// prober tries one root.
type prober struct {
	driver  driver.Driver
	caps    driver.Capabilities
	folder  string
	objects string // a folder with the rules for the names of clients' objects
	uploads []driver.Upload
}

// question is one thing to try. It returns what was seen that should not be, or "".
type question struct {
	name  string
	means string
	can   bool // what the driver claims
	ask   func(context.Context) (seen string, err error)
}

const cleanupTimeout = time.Minute

// Run asks everything. The error is of a backend that could not be asked at all; the findings up to there are returned with it.
func Run(ctx context.Context, d driver.Driver) (found []Finding, err error) {
	random := strings.ToLower(rand.Text())
	p := &prober{driver: d, caps: d.Capabilities(), folder: ".sallyport/probe/" + random + "/", objects: "sallyport-probe-" + random + "/"}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if leftover := p.clean(ctx); leftover != nil && err == nil {
			found = append(found, Finding{
				Question: "delete", Verdict: Failed, Seen: leftover.Error(),
				Means: "what was written for the probe is still there below .sallyport/probe/ or sallyport-probe-…/; backups could not be pruned",
			})
		}
	}()
	for _, q := range p.questions() {
		if !q.can {
			found = append(found, Finding{Question: q.name, Verdict: Lacking, Seen: "the backend does not offer it", Means: q.means})
			continue
		}
		f := Finding{Question: q.name, Means: q.means}
		var err error
		switch f.Seen, err = q.ask(ctx); {
		case err != nil && unreachable(err):
			return found, fmt.Errorf("try whether %s: %w", q.name, err)
		case err != nil && driver.KindOf(err) == driver.InvalidKey:
			f.Verdict, f.Seen = Lacking, "such a name is refused"
		case err != nil:
			f.Verdict, f.Seen = Failed, err.Error()
		case f.Seen != "":
			f.Verdict = Failed
		default:
			f.Means = ""
		}
		found = append(found, f)
	}
	return found, nil
}

// unreachable tells a backend that did not let itself be asked from one that answered wrongly.
func unreachable(err error) bool {
	for _, k := range []driver.Kind{
		driver.Unauthenticated, driver.Denied, driver.Unavailable, driver.Throttled, driver.NoSpace, driver.ReadOnly, driver.Canceled,
	} {
		if driver.KindOf(err) == k {
			return true
		}
	}
	return false
}

func (p *prober) questions() []question {
	return []question{
		{"write and read back", "nothing can be kept there", true, p.readAfterWrite},
		{"its clock agrees with this machine's", "clients see wrong times of last change, and services refuse requests that are 15 minutes off; set the clock that is wrong", true, p.clock},
		{"an overwrite is seen at once", "clients would read old backups", true, p.overwrite},
		{"read the end of an object", "no object could be opened", true, p.suffix},
		{"list after write and after delete", "two gateways, or a client that lists what it has just stored, can miss objects for a while", p.caps.StrongList, p.listAfterWrite},
		{"lists are in byte order", "clients that page through lists would miss objects", true, p.order},
		{"create only if absent", "If-None-Match is answered 501, and several gateways must not share this root", p.caps.PutIfNoneMatch, p.createIfAbsent},
		{"one of many creators wins", "If-None-Match cannot be relied on: locks and leases of clients break", p.caps.PutIfNoneMatch, p.race},
		{"replace only if unchanged", "If-Match is answered 501, and several gateways must not share this root", p.caps.PutIfMatch, p.replaceIfUnchanged},
		{"delete only if unchanged", "DELETE with If-Match is answered 501, unless single_gateway: true supplies it", p.caps.ConditionalDelete, p.deleteIfUnchanged},
		{"parts in any order make one object", "multipart uploads would store something else than was sent", true, p.parts},
		{"parts of unequal size, and part 10,000", "multipart uploads of clients that send such parts fail when they are completed; have clients use parts of one size, and few", !p.caps.EqualParts, p.partLimits},
		{"complete only if absent", "CompleteMultipartUpload with If-None-Match is answered 501, and large conditional PUTs too", p.caps.CompleteIfNoneMatch, p.completeIfAbsent},
		{"complete only if unchanged", "CompleteMultipartUpload with If-Match is answered 501", p.caps.CompleteIfMatch, p.completeIfUnchanged},
		{"an object beside a folder of its name", "a write of such a name is refused with InvalidKey; use other names", true, p.clash},
	}
}

// clean removes everything below the folder, and the uploads.
func (p *prober) clean(ctx context.Context) error {
	var err error
	for _, up := range p.uploads {
		if e := p.driver.Uploads().Abort(ctx, up); e != nil && driver.KindOf(e) != driver.NoSuchUpload {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, p.cleanFolder(ctx, p.folder), p.cleanFolder(ctx, p.objects))
}

func (p *prober) cleanFolder(ctx context.Context, folder string) error {
	for range 100 {
		page, err := p.driver.List(ctx, &driver.ListOptions{Prefix: folder})
		if err != nil {
			return err
		}
		for _, entry := range page.Entries {
			err = errors.Join(err, p.driver.Delete(ctx, entry.Key, &driver.DeleteOptions{}))
		}
		if len(page.Entries) == 0 || err != nil {
			return err
		}
	}
	return errors.New("deleted objects are listed again and again")
}
