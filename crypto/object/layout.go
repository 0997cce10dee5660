package object

import (
	"sort"

	"sallyport/crypto/chunked"
)

// Frame says where one frame lies and how it is recognised.
type Frame struct {
	Part        int
	Plain       int64 // plaintext bytes in this frame
	PlainOffset int64 // of its first plaintext byte in the object
	FileOffset  int64 // of its first byte in the file
	Salt        [24]byte
	Commitment  [32]byte
}

// Layout maps plaintext positions of one object to positions in its file. It is immutable.
type Layout struct {
	id     Identity
	total  int64
	plain  int64
	frames []Frame
}

// NewLayout combines what tail and table say about a file of total bytes. The table is nil when there is one frame. Sizes that do not
// fit together give [ErrDamaged].
func NewLayout(total int64, id Identity, m *Metadata, table []Entry) (*Layout, error) {
	if plain, ok := PlainSize(total); !ok || plain != m.Plain {
		return nil, ErrDamaged
	}
	if m.Frames == 1 {
		if len(table) != 0 || m.PartNumber == nil {
			return nil, ErrDamaged
		}
		table = []Entry{{Part: *m.PartNumber, Plain: m.Plain, FrameSalt: m.FrameSalt, Commitment: m.Commitment}}
	} else if len(table) != m.Frames || !validEntries(table) {
		return nil, ErrDamaged
	}
	l := &Layout{id: id, total: total, frames: make([]Frame, 0, len(table))}
	var off int64
	for _, e := range table {
		l.frames = append(l.frames, Frame{e.Part, e.Plain, l.plain, off, e.FrameSalt, e.Commitment})
		l.plain += e.Plain
		off += FrameSize(e.Plain)
	}
	if l.plain != m.Plain {
		return nil, ErrDamaged
	}
	return l, nil
}

// TableRange gives where the table of n frames lies in a file of total bytes; its length is 0 when there is none.
func TableRange(total int64, n int) (off, length int64) {
	length = TableSize(n)
	return total - TailSize - length, length
}

// Plain returns the object's plaintext length.
func (l *Layout) Plain() int64 { return l.plain }

// Identity returns the clear bytes of the object.
func (l *Layout) Identity() Identity { return l.id }

// Frames returns the frames in the order of the file. The caller must not change them.
func (l *Layout) Frames() []Frame { return l.frames }

// Part finds the frame that a GET with this part number means. A single PUT answers part number 1 only.
func (l *Layout) Part(number int) (Frame, bool) {
	if len(l.frames) == 1 && l.frames[0].Part == 0 {
		return l.frames[0], number == 1
	}
	for _, f := range l.frames {
		if f.Part == number {
			return f, true
		}
	}
	return Frame{}, false
}

// Body gives the file range that a whole read takes: all frames and the padding behind them.
func (l *Layout) Body() (off, length int64) {
	table, _ := TableRange(l.total, len(l.frames))
	return 0, table
}

// Range gives the file range that holds the chunks of the given plaintext range. A range that begins in the first chunk of a frame takes
// that frame's header along. It panics when the range does not lie inside the object; an empty range gives an empty range.
func (l *Layout) Range(off, length int64) (fileOff, fileLength int64) {
	if length == 0 {
		return 0, 0
	}
	s := l.span(off, length)
	first, last := l.frames[s.first], l.frames[s.last]
	start := first.FileOffset
	if s.firstChunk > 0 {
		start += FrameHeaderSize + s.firstChunk*chunked.SealedChunk
	}
	lastOff, lastLength := chunked.ChunkRange(last.Plain, s.lastChunk, s.lastChunk+1)
	return start, last.FileOffset + FrameHeaderSize + lastOff + lastLength - start
}

// span says which frames and chunks hold a plaintext range that is not empty.
type span struct {
	first, last           int   // frames
	firstChunk, lastChunk int64 // in the first frame, in the last frame
	skip                  int   // plaintext bytes of the first chunk ahead of the range
}

func (l *Layout) span(off, length int64) span {
	if off < 0 || length <= 0 || off >= l.plain || length > l.plain-off {
		panic("object: internal error: range outside the object")
	}
	first, last := l.frameAt(off), l.frameAt(off+length-1)
	inFirst := off - l.frames[first].PlainOffset
	inLast := off + length - 1 - l.frames[last].PlainOffset
	return span{first, last, inFirst / chunked.ChunkSize, inLast / chunked.ChunkSize, int(inFirst % chunked.ChunkSize)}
}

// frameAt returns the frame that holds a plaintext byte; only a last frame can be empty, and it holds none.
func (l *Layout) frameAt(off int64) int {
	return sort.Search(len(l.frames), func(i int) bool { return l.frames[i].PlainOffset > off }) - 1
}
