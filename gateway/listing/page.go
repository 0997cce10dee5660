// Package listing is the page logic of S3 listings: which names belong to a page, how they are grouped under a delimiter, where the next
// page begins, and the sealed tokens that carry that place through the client. It does no I/O: callers feed it names in ascending byte
// order, from whatever backend, and it holds at most one page.
//
// It promises that the pages of an unchanging listing, put together, hold every name exactly once and in byte order, whatever the limit, and
// that a token is accepted only for the query it was made for. It does not promise anything about names that come and go between two
// pages, as S3 does not either.
package listing

import "strings"

// Query is what a client asks of a listing. Names are the client's own, before any mapping to the backend.
type Query struct {
	Prefix    string // only names that begin with it
	Delimiter string // "" = no grouping; else names that hold it after Prefix are shown as one common prefix that ends with it
	After     string // only entries greater than this
	Limit     int    // entries, names and common prefixes together; ≤ 0 gives an empty page that claims nothing follows, as in S3
}

// Page is one page. Items and Prefixes are each in ascending byte order; together they are at most the query's Limit.
type Page[T any] struct {
	Items    []T
	Prefixes []string
	More     bool
	Last     string // the greatest name in the page, of an item or a prefix; where the next page goes on After
}

// Collector builds one page from names offered in ascending order. It is not safe for concurrent use.
type Collector[T any] struct {
	query Query
	page  Page[T]
	group string // the common prefix that was added last
}

// NewCollector returns a Collector for one page of q.
func NewCollector[T any](q Query) *Collector[T] {
	return &Collector[T]{query: q}
}

// Group returns the common prefix under which a query shows name, and false if it shows the name itself.
func (q *Query) Group(name string) (string, bool) {
	if q.Delimiter == "" || !strings.HasPrefix(name, q.Prefix) {
		return "", false
	}
	at := strings.Index(name[len(q.Prefix):], q.Delimiter)
	if at < 0 {
		return "", false
	}
	return name[:len(q.Prefix)+at+len(q.Delimiter)], true
}

// Add offers the next name and what it stands for. It returns false once the page is full and this name belongs to a later one: the page then
// has More, and nothing further need be offered. Names outside the query are passed over. A name that falls under a delimiter counts as
// its common prefix, once.
func (c *Collector[T]) Add(name string, item T) bool {
	if !strings.HasPrefix(name, c.query.Prefix) {
		return true
	}
	if prefix, ok := c.query.Group(name); ok {
		return c.AddPrefix(prefix)
	}
	if name <= c.query.After {
		return true
	}
	if c.Full() {
		c.page.More = c.query.Limit > 0
		return false
	}
	c.page.Items = append(c.page.Items, item)
	c.page.Last = name
	return true
}

// AddPrefix offers a common prefix that the backend has grouped already. Its result is that of Add.
func (c *Collector[T]) AddPrefix(prefix string) bool {
	switch {
	case !strings.HasPrefix(prefix, c.query.Prefix), prefix <= c.query.After, strings.HasPrefix(c.query.After, prefix):
		return true
	case prefix == c.group && c.group != "":
		return true
	case c.Full():
		c.page.More = c.query.Limit > 0
		return false
	}
	c.group = prefix
	c.page.Prefixes = append(c.page.Prefixes, prefix)
	c.page.Last = prefix
	return true
}

// Full reports whether the page holds as many entries as the query wants.
func (c *Collector[T]) Full() bool { return c.Room() == 0 }

// Room returns how many entries the page still takes.
func (c *Collector[T]) Room() int {
	return max(0, c.query.Limit-len(c.page.Items)-len(c.page.Prefixes))
}

// MarkMore says that entries of the query follow although none of them was offered. A page without Limit stays without More.
func (c *Collector[T]) MarkMore() {
	c.page.More = c.query.Limit > 0
}

// Page returns the page as collected so far.
func (c *Collector[T]) Page() *Page[T] { return &c.page }
