package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/providers/driver"
)

func (p *prober) put(ctx context.Context, name, content string, opts *driver.PutOptions) (*driver.Info, error) {
	return p.driver.Put(ctx, p.folder+name, strings.NewReader(content), int64(len(content)), opts)
}

func (p *prober) get(ctx context.Context, name string, opts *driver.GetOptions) (string, error) {
	body, _, err := p.driver.Get(ctx, p.folder+name, opts)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	content, err := io.ReadAll(io.LimitReader(body, 64<<20))
	return string(content), err
}

// holds says what is wrong with an object that should have this content.
func (p *prober) holds(ctx context.Context, name, want string) (string, error) {
	got, err := p.get(ctx, name, &driver.GetOptions{})
	if err != nil {
		return "", err
	}
	if got != want {
		return fmt.Sprintf("%s holds %d other bytes than the %d that were written", name, len(got), len(want)), nil
	}
	return "", nil
}

// refused says what is wrong when a change that must fail with this kind does not.
func refused(what string, err error, want driver.Kind) (string, error) {
	switch {
	case err == nil:
		return what + " was carried out", nil
	case driver.KindOf(err) == want:
		return "", nil
	}
	return "", err
}

func (p *prober) readAfterWrite(ctx context.Context) (string, error) {
	if _, err := p.put(ctx, "object", "first", &driver.PutOptions{}); err != nil {
		return "", err
	}
	return p.holds(ctx, "object", "first")
}

// maxSkew is well below the 15 minutes at which S3 services refuse requests, and above what a write may take.
const maxSkew = 2 * time.Minute

// clock compares the backend's time of a write with ours. The bounds are those of the write, so that a slow one is no skew.
func (p *prober) clock(ctx context.Context) (string, error) {
	before := time.Now()
	if _, err := p.put(ctx, "clock", "x", &driver.PutOptions{}); err != nil {
		return "", err
	}
	after := time.Now()
	info, err := p.driver.Head(ctx, p.folder+"clock")
	if err != nil {
		return "", err
	}
	if early := before.Sub(info.ModTime); early > maxSkew {
		return fmt.Sprintf("its clock is about %s behind this machine's", early.Round(time.Second)), nil
	}
	if late := info.ModTime.Sub(after); late > maxSkew {
		return fmt.Sprintf("its clock is about %s ahead of this machine's", late.Round(time.Second)), nil
	}
	return "", nil
}

func (p *prober) overwrite(ctx context.Context) (string, error) {
	before, err := p.driver.Head(ctx, p.folder+"object")
	if err != nil {
		return "", err
	}
	if _, err := p.put(ctx, "object", "other", &driver.PutOptions{}); err != nil {
		return "", err
	}
	after, err := p.driver.Head(ctx, p.folder+"object")
	if err != nil {
		return "", err
	}
	if after.ETag == before.ETag {
		return "another content has the ETag of the one it replaced", nil
	}
	return p.holds(ctx, "object", "other")
}

func (p *prober) suffix(ctx context.Context) (string, error) {
	got, err := p.get(ctx, "object", &driver.GetOptions{Suffix: 3})
	if err != nil {
		return "", err
	}
	if got != "her" {
		return fmt.Sprintf("asked for the last 3 bytes it sends %d others", len(got)), nil
	}
	return "", nil
}

func (p *prober) listed(ctx context.Context, prefix, delimiter string) ([]string, error) {
	page, err := p.driver.List(ctx, &driver.ListOptions{Prefix: p.folder + prefix, Delimiter: delimiter})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(page.Entries))
	for _, e := range page.Entries {
		names = append(names, strings.TrimPrefix(e.Name(), p.folder))
	}
	return names, nil
}

func (p *prober) listAfterWrite(ctx context.Context) (string, error) {
	for range 5 {
		if _, err := p.put(ctx, "listed", "x", &driver.PutOptions{}); err != nil {
			return "", err
		}
		names, err := p.listed(ctx, "listed", "")
		if err != nil {
			return "", err
		}
		if len(names) != 1 {
			return "an object that was just written is not listed", nil
		}
		if err := p.driver.Delete(ctx, p.folder+"listed", &driver.DeleteOptions{}); err != nil {
			return "", err
		}
		if names, err = p.listed(ctx, "listed", ""); err != nil {
			return "", err
		}
		if len(names) != 0 {
			return "an object that was just deleted is listed", nil
		}
	}
	return "", nil
}

func (p *prober) order(ctx context.Context) (string, error) {
	want := []string{"order/a-b", "order/a.b", "order/a/b", "order/aB", "order/ab", "order/\u00e9"}
	o := p.amongObjects()
	for _, name := range want {
		if _, err := o.put(ctx, name, "x", &driver.PutOptions{}); err != nil {
			return "", err
		}
	}
	names, err := o.listed(ctx, "order/", "")
	if err != nil {
		return "", err
	}
	if !slices.Equal(names, want) {
		return fmt.Sprintf("it lists %q", names), nil
	}
	if names, err = o.listed(ctx, "order/", "/"); err != nil {
		return "", err
	}
	if want[2] = "order/a/"; !slices.Equal(names, want) {
		return fmt.Sprintf("with a delimiter it lists %q", names), nil
	}
	return "", nil
}

// amongObjects asks where names have the rules of clients' names.
func (p *prober) amongObjects() *prober {
	o := *p
	o.folder = p.objects
	return &o
}

func (p *prober) createIfAbsent(ctx context.Context) (string, error) {
	absent := &driver.PutOptions{IfNoneMatch: true}
	if _, err := p.put(ctx, "created", "first", absent); err != nil {
		return "", err
	}
	_, err := p.put(ctx, "created", "second", absent)
	if seen, err := refused("a second create", err, driver.PreconditionFailed); seen != "" || err != nil {
		return seen, err
	}
	return p.holds(ctx, "created", "first")
}

// Races are many enough to catch a backend that looks first and writes then, and few enough for a probe.
const (
	raceRounds = 8
	racers     = 16
)

func (p *prober) race(ctx context.Context) (string, error) {
	for round := range raceRounds {
		name := fmt.Sprintf("race-%d", round)
		outcomes := make([]error, racers)
		var running sync.WaitGroup
		for i := range racers {
			running.Go(func() {
				_, outcomes[i] = p.put(ctx, name, fmt.Sprintf("racer %02d", i), &driver.PutOptions{IfNoneMatch: true})
			})
		}
		running.Wait()
		var winners []int
		for i, err := range outcomes {
			switch {
			case err == nil:
				winners = append(winners, i)
			case driver.KindOf(err) != driver.PreconditionFailed && driver.KindOf(err) != driver.Conflict:
				return "", err
			}
		}
		if len(winners) != 1 {
			return fmt.Sprintf("of %d that created one object at the same time %d were told that they did", racers, len(winners)), nil
		}
		if seen, err := p.holds(ctx, name, fmt.Sprintf("racer %02d", winners[0])); seen != "" || err != nil {
			return seen, err
		}
	}
	return "", nil
}

func (p *prober) replaceIfUnchanged(ctx context.Context) (string, error) {
	first, err := p.put(ctx, "replaced", "first", &driver.PutOptions{})
	if err != nil {
		return "", err
	}
	if _, err := p.put(ctx, "replaced", "second", &driver.PutOptions{IfMatch: first.ETag}); err != nil {
		return "", fmt.Errorf("a replace of what had not changed: %w", err)
	}
	_, err = p.put(ctx, "replaced", "third", &driver.PutOptions{IfMatch: first.ETag})
	if seen, err := refused("a replace of what had changed", err, driver.PreconditionFailed); seen != "" || err != nil {
		return seen, err
	}
	_, err = p.put(ctx, "never-there", "x", &driver.PutOptions{IfMatch: first.ETag})
	if seen, err := refused("a replace of what is not there", err, driver.NotFound); seen != "" || err != nil {
		return seen, err
	}
	return p.holds(ctx, "replaced", "second")
}

func (p *prober) deleteIfUnchanged(ctx context.Context) (string, error) {
	first, err := p.put(ctx, "deleted", "first", &driver.PutOptions{})
	if err != nil {
		return "", err
	}
	second, err := p.put(ctx, "deleted", "second", &driver.PutOptions{})
	if err != nil {
		return "", err
	}
	err = p.driver.Delete(ctx, p.folder+"deleted", &driver.DeleteOptions{IfMatch: first.ETag})
	if seen, err := refused("a delete of what had changed", err, driver.PreconditionFailed); seen != "" || err != nil {
		return seen, err
	}
	if seen, err := p.holds(ctx, "deleted", "second"); seen != "" || err != nil {
		return seen, err
	}
	return "", p.driver.Delete(ctx, p.folder+"deleted", &driver.DeleteOptions{IfMatch: second.ETag})
}

// upload sends two parts, the second one first, and completes them under the conditions.
func (p *prober) upload(ctx context.Context, name string, opts *driver.PutOptions) (content string, err error) {
	uploads := p.driver.Uploads()
	up := driver.Upload{Key: p.folder + name}
	if up.ID, err = uploads.Create(ctx, up.Key, nil); err != nil {
		return "", err
	}
	p.uploads = append(p.uploads, up)
	first := bytes.Repeat([]byte("part one "), int(max(p.caps.MinPart, 1)/9)+1)
	var parts [2]driver.Part
	for i, body := range [][]byte{[]byte("part two"), first} {
		n := 2 - i
		part, err := uploads.PutPart(ctx, up, n, bytes.NewReader(body), int64(len(body)))
		if err != nil {
			return "", err
		}
		parts[n-1] = *part
	}
	_, err = uploads.Complete(ctx, up, parts[:], opts)
	return string(first) + "part two", err
}

func (p *prober) parts(ctx context.Context) (string, error) {
	content, err := p.upload(ctx, "parts", &driver.PutOptions{})
	if err != nil {
		return "", err
	}
	return p.holds(ctx, "parts", content)
}

// partLimits asks for what clients may do by S3's rules and some services refuse: numbers with gaps up to the last one, and sizes that differ. The
// largest sizes are not tried, which would take as much to send.
func (p *prober) partLimits(ctx context.Context) (string, error) {
	uploads := p.driver.Uploads()
	up := driver.Upload{Key: p.folder + "limits"}
	var err error
	if up.ID, err = uploads.Create(ctx, up.Key, nil); err != nil {
		return "", err
	}
	p.uploads = append(p.uploads, up)
	var parts []driver.Part
	var whole strings.Builder
	for _, one := range []struct {
		number int
		size   int64
	}{{2, max(p.caps.MinPart, 1) + 1}, {5000, max(p.caps.MinPart, 1)}, {10_000, 1}} {
		body := strings.Repeat(string(rune('a'+len(parts))), int(one.size))
		part, err := uploads.PutPart(ctx, up, one.number, strings.NewReader(body), one.size)
		if err != nil {
			return fmt.Sprintf("part %d of %d bytes is refused: %v", one.number, one.size, err), passed(err)
		}
		parts = append(parts, *part)
		whole.WriteString(body)
	}
	if _, err := uploads.Complete(ctx, up, parts, &driver.PutOptions{}); err != nil {
		return fmt.Sprintf("parts of %d, %d and %d bytes are taken, and their completion is refused: %v", parts[0].Size, parts[1].Size, parts[2].Size, err), passed(err)
	}
	return p.holds(ctx, "limits", whole.String())
}

// passed returns the errors that say nothing of what was asked.
func passed(err error) error {
	if unreachable(err) {
		return err
	}
	return nil
}

func (p *prober) completeIfAbsent(ctx context.Context) (string, error) {
	if _, err := p.put(ctx, "completed", "there", &driver.PutOptions{}); err != nil {
		return "", err
	}
	_, err := p.upload(ctx, "completed", &driver.PutOptions{IfNoneMatch: true})
	if seen, err := refused("a complete over an object", err, driver.PreconditionFailed); seen != "" || err != nil {
		return seen, err
	}
	return p.holds(ctx, "completed", "there")
}

func (p *prober) completeIfUnchanged(ctx context.Context) (string, error) {
	first, err := p.put(ctx, "completed", "first", &driver.PutOptions{})
	if err != nil {
		return "", err
	}
	if _, err := p.put(ctx, "completed", "second", &driver.PutOptions{}); err != nil {
		return "", err
	}
	_, err = p.upload(ctx, "completed", &driver.PutOptions{IfMatch: first.ETag})
	if seen, err := refused("a complete over what had changed", err, driver.PreconditionFailed); seen != "" || err != nil {
		return seen, err
	}
	return p.holds(ctx, "completed", "second")
}

// clash writes a name below that of an object: both must be there and listed, or the second write is refused with InvalidKey.
func (p *prober) clash(ctx context.Context) (string, error) {
	o := p.amongObjects()
	if _, err := o.put(ctx, "clash/a", "x", &driver.PutOptions{}); err != nil {
		return "", err
	}
	if _, err := o.put(ctx, "clash/a/b", "x", &driver.PutOptions{}); err != nil {
		return "", err
	}
	names, err := o.listed(ctx, "clash/", "")
	if err != nil {
		return "", err
	}
	if !slices.Equal(names, []string{"clash/a", "clash/a/b"}) {
		return fmt.Sprintf("both are stored and it lists %q only", names), nil
	}
	return "", nil
}
