package local

import (
	"strconv"
	"sync"
	"time"
)

// etagOf is the revision of a file: time of last change, length and, where they keep still, inode number.
func (f *Folder) etagOf(s Stat) string {
	b := make([]byte, 0, 56)
	b = strconv.AppendInt(b, s.ModTime.Unix(), 16)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(s.ModTime.Nanosecond()), 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.Size, 16)
	if !f.probe.volume.UnstableInodes {
		b = append(b, '-')
		b = strconv.AppendUint(b, s.Inode, 16)
	}
	return string(b)
}

// revisionClock gives times that grow with every call, also within one tick and when the clock steps back, so that the time of last
// change tells two writes apart.
type revisionClock struct {
	now  func() time.Time
	step time.Duration // what the file system can tell apart

	mu   sync.Mutex
	last time.Time
}

// maxGlobalStep bounds the step at which times of all files grow together. On coarser file systems they would run far ahead of the
// clock under load, so there only the times of one key grow.
const maxGlobalStep = time.Millisecond

// next returns a time that is later than previous, the time of the object to be replaced (zero if there is none).
func (c *revisionClock) next(previous time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now().Truncate(c.step)
	if c.step <= maxGlobalStep && !t.After(c.last) {
		t = c.last.Add(c.step)
	}
	if !t.After(previous) {
		t = previous.Truncate(c.step).Add(c.step)
	} else if c.step <= maxGlobalStep {
		c.last = t // not moved by one file from the future
	}
	return t
}
