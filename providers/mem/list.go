package mem

import (
	"context"
	"slices"
	"sort"
	"strings"

	"sallyport/providers/driver"
)

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context, opts *driver.ListOptions) (*driver.Page, error) {
	if err := d.enter(ctx, "List", ""); err != nil {
		return nil, err
	}
	r := d.root
	r.mu.RLock()
	defer r.mu.RUnlock()
	page, limit := &driver.Page{}, opts.PageSize()
	i, _ := slices.BinarySearch(r.keys, max(opts.Prefix, opts.After))
	for i < len(r.keys) && strings.HasPrefix(r.keys[i], opts.Prefix) {
		key := r.keys[i]
		entry, next := driver.Entry{}, i+1
		if group, ok := groupOf(key, opts); ok {
			entry.Prefix = group
			next = i + sort.Search(len(r.keys)-i, func(n int) bool { return !strings.HasPrefix(r.keys[i+n], group) })
		} else {
			entry.Info = *r.objects[key].info(key)
		}
		i = next
		if entry.Name() <= opts.After {
			continue
		}
		if len(page.Entries) == limit {
			page.More = true
			break
		}
		page.Entries = append(page.Entries, entry)
	}
	return page, nil
}

func groupOf(key string, opts *driver.ListOptions) (string, bool) {
	if opts.Delimiter == "" {
		return "", false
	}
	n := strings.Index(key[len(opts.Prefix):], opts.Delimiter)
	if n < 0 {
		return "", false
	}
	return key[:len(opts.Prefix)+n+len(opts.Delimiter)], true
}
