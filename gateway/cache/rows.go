package cache

// rowID names a revision of a stored file: a keyed hash of backend key and backend ETag.
type rowID [16]byte

type row struct {
	id   rowID
	etag ETag
}

// rows is a least-recently-used map of bounded size. Links are indices into one slice: a list of pointers would cost the collector a walk
// over every row.
type rows struct {
	limit int
	at    map[rowID]uint32
	slots []slot // slot 0 is the ring's anchor: its next is the newest, its prev the oldest
}

type slot struct {
	row
	prev, next uint32
}

func newRows(limit int) *rows {
	return &rows{limit: limit, at: map[rowID]uint32{}, slots: make([]slot, 1)}
}

func (r *rows) len() int { return len(r.at) }

func (r *rows) get(id rowID) (ETag, bool) {
	i, ok := r.at[id]
	if !ok {
		return ETag{}, false
	}
	r.unlink(i)
	r.linkFirst(i)
	return r.slots[i].etag, true
}

// put makes w the newest row and reports whether it was not known as it is.
func (r *rows) put(w row) bool {
	if i, ok := r.at[w.id]; ok {
		changed := r.slots[i].etag != w.etag
		r.slots[i].row = w
		r.unlink(i)
		r.linkFirst(i)
		return changed
	}
	var i uint32
	if len(r.at) < r.limit {
		i = uint32(len(r.slots))
		r.slots = append(r.slots, slot{})
	} else {
		i = r.slots[0].prev
		r.unlink(i)
		delete(r.at, r.slots[i].id)
	}
	r.slots[i].row = w
	r.at[w.id] = i
	r.linkFirst(i)
	return true
}

// has reports whether id is present, without making it newer.
func (r *rows) has(id rowID) bool {
	_, ok := r.at[id]
	return ok
}

func (r *rows) unlink(i uint32) {
	s := &r.slots[i]
	r.slots[s.prev].next = s.next
	r.slots[s.next].prev = s.prev
}

func (r *rows) linkFirst(i uint32) {
	first := r.slots[0].next
	r.slots[i].prev, r.slots[i].next = 0, first
	r.slots[first].prev = i
	r.slots[0].next = i
}
