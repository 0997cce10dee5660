package objects

import (
	"context"

	"sallyport/crypto/chunked"
	"sallyport/crypto/object"
	"sallyport/providers"
)

// Room is asked before a request takes memory that its input decides on, and may wait. Its error ends the request before the first byte of a body
// is read, and is what the caller finds in the error of the call. What was granted is held until the call, or its Body, is done. nil = there is
// always room.
type Room func(ctx context.Context, bytes int64) error

func (r Room) take(ctx context.Context, bytes int64) error {
	if r == nil {
		return nil
	}
	if err := r(ctx, bytes); err != nil {
		return &Error{Kind: NoRoom, Message: "there is no room for the request at present", Err: err}
	}
	return nil
}

const (
	digestBlocks  = 192 << 10 // what package checksum holds of a body longer than one of its blocks, which has a third of this
	sealingBuffer = 64 << 10  // plaintext that is read at once
	// tableEntryMemory is what one part of a stored object costs while its table is opened: sealed, open, parsed, and in the layout.
	tableEntryMemory = 640
	// uploadNoteMemory is what one attempt at a part of an open upload costs while the upload is looked at. How many attempts there are is known only
	// after their notes were read, when a third of this is held already.
	uploadNoteMemory = 1600
)

// sealingMemory is what sealing and digesting a body of so many plaintext bytes holds.
func sealingMemory(plain int64) int64 {
	memory := min(plain, sealingBuffer) + min(plain, chunked.ChunkSize) + object.TailSize
	if plain > digestBlocks/3 {
		memory += digestBlocks
	}
	return memory
}

// objectMemory is what storing an object of so many plaintext bytes holds.
func objectMemory(store *providers.Store, plain int64) int64 {
	return sealingMemory(plain) + store.PutMemory(object.CanonicalSize(plain))
}

// partMemory is what storing a part holds.
func partMemory(store *providers.Store, number int, plain int64) int64 {
	if isHeld(number, plain) {
		return sealingMemory(plain) + store.PutMemory(object.FrameSize(plain))
	}
	return sealingMemory(plain) + store.PartMemory(object.FrameSize(plain))
}
