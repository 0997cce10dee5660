package local_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/text/unicode/norm"

	"sallyport/providers/local"
)

// modelFS is a file system in memory that logs every change and every sync, so that the state after a crash at any moment can be
// rebuilt: what was synced, and any choice of the rest. A rename is atomic, and durable once one of its directories is synced.
type modelFS struct {
	mu     sync.Mutex
	root   *node
	nextID uint64
	log    []change
	opened int // files and directories that are open
	locked bool
	boot   string

	// fault is asked before every call; done says whether the call is to take effect nonetheless.
	fault func(call, path string) (err error, done bool)
	// fold makes names that differ by case or Unicode form one.
	fold bool
	// ignoreFileSync and ignoreDirSync make a disk that lies.
	ignoreFileSync, ignoreDirSync bool
}

// node is a file or directory.
type node struct {
	id      uint64
	dir     bool
	data    []byte
	mtime   time.Time
	entries map[string]*node
}

// change is one step of the log.
type change struct {
	kind string // entry, remove, rename, write, time, sync, lost
	dir  *node  // of an entry; the directory or file synced
	name string
	from *node // directory a rename leaves
	was  string
	node *node // file written or named
	off  int
	data []byte
	time time.Time
}

func newModelFS() *modelFS {
	return &modelFS{root: &node{id: 1, dir: true, entries: map[string]*node{}}, nextID: 2, boot: "first boot"}
}

func pathError(op, p string, err error) error { return &fs.PathError{Op: op, Path: p, Err: err} }

// enter locks the model and asks for a fault.
func (m *modelFS) enter(call, p string) (leave func(), fault error, done bool) { //nolint:revive // the error is what is injected
	m.mu.Lock()
	if m.fault != nil {
		fault, done = m.fault(call, p)
		if fault != nil {
			fault = pathError(call, p, fault)
		}
	}
	return m.mu.Unlock, fault, done
}

func (m *modelFS) find(p string) (*node, error) {
	n := m.root
	if m.fold {
		p = strings.ToLower(norm.NFD.String(p))
	}
	if p == "." {
		return n, nil
	}
	for name := range strings.SplitSeq(p, "/") {
		if !n.dir {
			return nil, pathError("find", p, syscall.ENOTDIR)
		}
		next := n.entries[name]
		if next == nil {
			return nil, pathError("find", p, syscall.ENOENT)
		}
		n = next
	}
	return n, nil
}

func (m *modelFS) parent(p string) (*node, string, error) {
	n, err := m.find(path.Dir(p))
	if m.fold {
		p = strings.ToLower(norm.NFD.String(p))
	}
	if err == nil && !n.dir {
		err = pathError("find", p, syscall.ENOTDIR)
	}
	return n, path.Base(p), err
}

func (m *modelFS) record(c change) {
	m.log = append(m.log, c)
	apply(c, func(n *node) *node { return n }, nil)
}

// apply makes a change to the nodes that at gives for those of the log.
func apply(c change, at func(*node) *node, torn *change) {
	switch c.kind {
	case "entry":
		at(c.dir).entries[c.name] = at(c.node)
	case "remove":
		delete(at(c.dir).entries, c.name)
	case "rename":
		if from := at(c.from); from.entries[c.was] == at(c.node) {
			delete(from.entries, c.was)
		}
		at(c.dir).entries[c.name] = at(c.node)
	case "write":
		n, data := at(c.node), c.data
		if torn != nil && torn.node == c.node && torn.off == c.off {
			data = data[:len(data)/2]
		}
		if need := c.off + len(data); len(n.data) < need {
			n.data = append(n.data, make([]byte, need-len(n.data))...)
		}
		copy(n.data[c.off:], data)
	case "time":
		at(c.node).mtime = c.time
	}
}

func (m *modelFS) create(call, p string, dir bool) (*node, error) {
	leave, fault, done := m.enter(call, p)
	defer leave()
	if fault != nil && !done {
		return nil, fault
	}
	d, name, err := m.parent(p)
	if err != nil {
		return nil, err
	}
	if d.entries[name] != nil {
		return nil, pathError(call, p, syscall.EEXIST)
	}
	n := &node{id: m.nextID, dir: dir, mtime: time.Unix(1, 0)}
	if dir {
		n.entries = map[string]*node{}
	}
	m.nextID++
	m.record(change{kind: "entry", dir: d, name: name, node: n})
	return n, fault
}

func (m *modelFS) Create(p string) (local.File, error) {
	n, err := m.create("create", p, false)
	if err != nil {
		return nil, err
	}
	return m.handle(n, p), nil
}

func (m *modelFS) handle(n *node, p string) *modelFile {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	return &modelFile{m: m, n: n, path: p}
}

func (m *modelFS) Mkdir(p string) error {
	_, err := m.create("mkdir", p, true)
	return err
}

func (m *modelFS) Open(p string) (local.File, error) {
	leave, fault, _ := m.enter("open", p)
	n, err := m.find(p)
	leave()
	if err := errors.Join(fault, err); err != nil {
		return nil, err
	}
	if n.dir {
		return nil, pathError("open", p, local.ErrNotPlain)
	}
	return m.handle(n, p), nil
}

func (m *modelFS) Stat(p string) (local.Stat, error) {
	leave, fault, _ := m.enter("stat", p)
	defer leave()
	if fault != nil {
		return local.Stat{}, fault
	}
	n, err := m.find(p)
	if err != nil {
		return local.Stat{}, err
	}
	return n.stat(), nil
}

func (n *node) stat() local.Stat {
	mode := fs.FileMode(0o600)
	if n.dir {
		mode = fs.ModeDir | 0o700
	}
	return local.Stat{Size: int64(len(n.data)), ModTime: n.mtime, Inode: n.id, Mode: mode}
}

func (m *modelFS) Rename(oldPath, newPath string) error {
	leave, fault, done := m.enter("rename", newPath)
	defer leave()
	if fault != nil && !done {
		return fault
	}
	from, was, err := m.parent(oldPath)
	if err != nil {
		return err
	}
	to, name, err := m.parent(newPath)
	if err != nil {
		return err
	}
	n := from.entries[was]
	if n == nil {
		return pathError("rename", oldPath, syscall.ENOENT)
	}
	if over := to.entries[name]; over != nil && over.dir {
		return pathError("rename", newPath, syscall.EEXIST)
	}
	m.record(change{kind: "rename", dir: to, name: name, from: from, was: was, node: n})
	return fault
}

func (m *modelFS) Link(oldPath, newPath string) error {
	leave, fault, done := m.enter("link", newPath)
	defer leave()
	if fault != nil && !done {
		return fault
	}
	n, err := m.find(oldPath)
	if err != nil {
		return err
	}
	to, name, err := m.parent(newPath)
	if err != nil {
		return err
	}
	if to.entries[name] != nil {
		return pathError("link", newPath, syscall.EEXIST)
	}
	m.record(change{kind: "entry", dir: to, name: name, node: n})
	return fault
}

func (m *modelFS) remove(call, p string, dir bool) error {
	leave, fault, done := m.enter(call, p)
	defer leave()
	if fault != nil && !done {
		return fault
	}
	d, name, err := m.parent(p)
	if err != nil {
		return err
	}
	n := d.entries[name]
	switch {
	case n == nil:
		return pathError(call, p, syscall.ENOENT)
	case n.dir != dir:
		return pathError(call, p, syscall.EISDIR)
	case len(n.entries) > 0:
		return pathError(call, p, syscall.ENOTEMPTY)
	}
	m.record(change{kind: "remove", dir: d, name: name})
	return fault
}

func (m *modelFS) Remove(p string) error    { return m.remove("remove", p, false) }
func (m *modelFS) RemoveDir(p string) error { return m.remove("removedir", p, true) }

func (m *modelFS) SyncDir(p string) error {
	leave, fault, _ := m.enter("opensync", p)
	n, err := m.find(p)
	leave()
	if err := errors.Join(fault, err); err != nil {
		return fmt.Errorf("%w: %w", local.ErrSyncNotBegun, err)
	}
	leave, fault, _ = m.enter("syncdir", p)
	defer leave()
	if fault != nil {
		m.record(change{kind: "lost", dir: n})
		return fault
	}
	if !m.ignoreDirSync {
		m.record(change{kind: "sync", dir: n})
	}
	return nil
}

func (m *modelFS) Lock(p string, _ []byte) (io.Closer, error) {
	leave, fault, _ := m.enter("lock", p)
	defer leave()
	if fault != nil {
		return nil, fault
	}
	if m.locked {
		return nil, &local.LockedError{Owner: []byte(`{"pid":7,"host":"h","since":"2026-01-01T00:00:00Z"}`)}
	}
	m.locked = true
	return closerFunc(func() error { m.locked = false; return nil }), nil
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

func (m *modelFS) Volume() (local.Volume, error) {
	leave, fault, _ := m.enter("volume", "")
	defer leave()
	return local.Volume{Type: "model", KnowsSpace: true, Free: 1 << 40, Total: 1 << 40}, fault
}

func (m *modelFS) Boot() string { return m.boot }

func (m *modelFS) Close() error { return nil }

func (m *modelFS) OpenDir(p string) (local.Directory, error) {
	leave, fault, _ := m.enter("opendir", p)
	defer leave()
	n, err := m.find(p)
	if err := errors.Join(fault, err); err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, pathError("opendir", p, syscall.ENOTDIR)
	}
	m.opened++
	d := &modelDir{m: m}
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		d.left = append(d.left, local.DirEntry{Name: name, Type: n.entries[name].stat().Mode.Type()})
	}
	return d, nil
}

type modelDir struct {
	m    *modelFS
	left []local.DirEntry
}

func (d *modelDir) Next(n int) ([]local.DirEntry, error) {
	leave, fault, _ := d.m.enter("readdir", "")
	defer leave()
	if fault != nil {
		return nil, fault
	}
	if len(d.left) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.left))
	out := d.left[:n]
	d.left = d.left[n:]
	return out, nil
}

func (d *modelDir) Close() error {
	leave, fault, _ := d.m.enter("closedir", "")
	defer leave()
	d.m.opened--
	return fault
}

// durable reports for each of the first k changes whether a sync before k made it durable. A sync that failed loses for ever what was
// not durable by then, as Linux's page cache does.
func durable(log []change, k int) (kept, pending []int) {
	for i, c := range log[:k] {
		if c.kind == "sync" || c.kind == "lost" {
			continue
		}
		state := "pending"
		for _, later := range log[i+1 : k] {
			covers := (later.kind == "sync" || later.kind == "lost") &&
				(c.kind == "write" || c.kind == "time") && later.dir == c.node ||
				(later.kind == "sync" || later.kind == "lost") && (c.kind == "entry" || c.kind == "remove" || c.kind == "rename") &&
					(later.dir == c.dir || c.kind == "rename" && later.dir == c.from)
			if covers {
				state = later.kind
				break
			}
		}
		switch state {
		case "sync":
			kept = append(kept, i)
		case "pending":
			pending = append(pending, i)
		}
	}
	return kept, pending
}

// after rebuilds the file system from the changes chosen, in the order of the log, as the machine finds it when it starts again.
func after(log []change, chosen map[int]bool, torn *change) *modelFS {
	m := newModelFS()
	m.boot = "next boot"
	copies := map[*node]*node{}
	at := func(n *node) *node {
		if n.id == 1 {
			return m.root
		}
		if copies[n] == nil {
			copies[n] = &node{id: n.id, dir: n.dir, mtime: time.Unix(1, 0)}
			if n.dir {
				copies[n].entries = map[string]*node{}
			}
			m.nextID = max(m.nextID, n.id+1)
		}
		return copies[n]
	}
	for i, c := range log {
		if chosen[i] {
			apply(c, at, torn)
		}
	}
	return m
}

// crashed is the file system after a power failure at change k that loses all that was not synced.
func (m *modelFS) crashed(k int) *modelFS {
	kept, _ := durable(m.log, k)
	set := map[int]bool{}
	for _, i := range kept {
		set[i] = true
	}
	return after(m.log[:k], set, nil)
}

// lostDirectory reports whether the sync of a directory failed.
func (m *modelFS) lostDirectory() bool {
	return slices.ContainsFunc(m.log, func(c change) bool { return c.kind == "lost" && c.dir.dir })
}

// steps returns how many changes there are.
func (m *modelFS) steps() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.log)
}
