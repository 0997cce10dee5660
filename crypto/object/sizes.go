package object

import "sallyport/crypto/chunked"

// Sizes in bytes of the fixed parts of an object file.
const (
	TailSize        = 3904                                 // always the last bytes of a file
	FramePrefixSize = 56                                   // clear bytes at the head of a frame
	FrameHeaderSize = FramePrefixSize + chunked.HeaderSize // before a frame's first chunk
	EntrySize       = 152                                  // of one frame in a table
)

// Limits of format version 1.
const (
	MaxParts     = 10000
	MinPartSize  = 5 << 20           // plaintext of every part but the last
	MaxPartSize  = int64(5363471232) // the largest part whose frame is at most 5 GiB
	MaxPlainSize = int64(1)<<48 - 1  // of one frame and of an object: what 48 bits hold
	padUnit      = int64(5 << 20)    // per this much plaintext ...
	padPerUnit   = int64(512)        // ... so much room for another frame's overhead and table entry
	fixed        = int64(4096 - 16)  // header, tail and at least 64 bytes of padding
	minPad       = fixed - FrameHeaderSize - TailSize
)

// FrameSize gives the length of a frame of plain plaintext bytes.
func FrameSize(plain int64) int64 {
	return FrameHeaderSize + chunked.ChunksSize(plain)
}

// TableSize gives the length of the table of n frames; one frame has none.
func TableSize(n int) int64 {
	if n < 2 {
		return 0
	}
	return chunked.SealedSize(int64(n) * EntrySize)
}

// Used gives the length of an object's frames, table and tail, without the padding.
func Used(parts []int64) int64 {
	used := TableSize(len(parts)) + TailSize
	for _, p := range parts {
		used += FrameSize(p)
	}
	return used
}

// CanonicalSize gives the length of an object file of plain plaintext bytes, in however many parts it came. It is strictly
// increasing. It panics when plain is negative or above [MaxPlainSize].
func CanonicalSize(plain int64) int64 {
	if plain < 0 || plain > MaxPlainSize {
		panic("object: internal error: size out of range")
	}
	return chunked.ChunksSize(plain) + padPerUnit*(plain/padUnit) + fixed
}

// PlainSize is the inverse of [CanonicalSize]: the plaintext length of an object file of total bytes, and false when no object file
// has that length.
func PlainSize(total int64) (int64, bool) {
	if total < CanonicalSize(0) || total > CanonicalSize(MaxPlainSize) {
		return 0, false
	}
	low, high := int64(0), MaxPlainSize
	for low < high {
		mid := low + (high-low+1)/2
		if CanonicalSize(mid) <= total {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return low, CanonicalSize(low) == total
}

// PadSize gives the number of zero bytes between the last frame and the table or tail of an object made of these parts, and false
// when no object can be made of them: none or too many, a part of invalid size, or one but the last below [MinPartSize].
func PadSize(parts []int64) (int64, bool) {
	if len(parts) == 0 || len(parts) > MaxParts {
		return 0, false
	}
	var plain int64
	for i, p := range parts {
		if p < 0 || p > MaxPlainSize || i < len(parts)-1 && p < MinPartSize {
			return 0, false
		}
		if plain += p; plain > MaxPlainSize {
			return 0, false
		}
	}
	pad := CanonicalSize(plain) - Used(parts)
	if pad < minPad {
		panic("object: internal error: canonical size leaves no room")
	}
	return pad, true
}
