package s3api

import (
	"context"
	"errors"

	"sallyport/gateway/auth"
)

// What a request holds in memory at worst, in bytes. Each reserves it from its lane before it takes it, and before its body is read; what
// does not fit in is told to come later. Buffers that wait in a pool for the next request are garbage to the runtime and not counted.
//
//	every request          64 KiB    buffers of the connection (with TLS), stack, headers, a short answer                      requestMemory
//	GetObject and copies   + 320 KiB tail, ciphertext (64 KiB) and chunk, or a small object twice, on its way out 64 KiB, and
//	                                 the backend's connection                                                                  downloadMemory
//	… of a multipart object+ 640 B   for each part: its table, sealed and open, and the layout                                 objects.Room
//	PutObject, parts,      + ≤ 288 KiB digest blocks (192 KiB), plaintext (64 KiB) and sealed chunk; a body up to 64 KiB itself objects.Room
//	  copies               + 32 KiB to 2 MiB a stored size up to 1 MiB, held by the store and by the driver                    providers.Store.PutMemory
//	                         or 512 KiB longer bodies, which stream through the driver
//	                         or 10.5 MiB PutObject above 64 MiB on an S3 backend: two parts of 5 MiB
//	lists                  + 2 MiB   a page of the backend's and ours; longer keys of 256 bytes and more as they come          listMemory, listedMemory
//	multipart uploads      + 1.6 KiB for each attempt at a part: Complete, ListParts, and the first part that this gateway sees objects.Room
//	documents              + 4 ×     their size, and 96 bytes for each element that there may be                               documentMemory
//
// Outside of the lanes, and bounded by themselves: requests before their signature is verified (connection and headers, at most 32 KiB of them),
// caches, and drivers' buffers for bodies up to 1 MiB that the lanes of a store let through at once (64 × 256 KiB in a folder).
const (
	requestMemory  = 64 << 10
	downloadMemory = 320 << 10
	listMemory     = 2 << 20
	listedMemory   = 24 // for each byte of a listed name: escaped, in a text that grows
)

// documentMemory is what a document of so many bytes holds: itself, its text once more in the tree and what is made of it, and the tree's elements, of
// which parseXML takes only so many however many a document has.
func documentMemory(size int64) int64 {
	const elementMemory, shortestElement, elements = 96, 4, 8 * maxParts
	return 4*size + elementMemory*min(size/shortestElement, elements)
}

// streamsShare is the part of the memory, in quarters, that requests with an object's bytes may have. The rest is for those without, which must
// get through when streams hold all they may.
const streamsShare = 3

// lanes are the two ways in. Health and metrics have a listener of their own and pass no lane.
func (h *handler) makeLanes() {
	forStreams := h.limits.Memory / 4 * streamsShare
	h.streams = newLane("streams", amount{int64(h.limits.Streams), forStreams}, h.limits.AdmissionWait, h.metrics)
	h.requests = newLane("requests", amount{int64(h.limits.Requests), h.limits.Memory - forStreams}, h.limits.AdmissionWait, h.metrics)
}

// admit takes a place in the lane of the operation, those that move an object's bytes or the others, and the memory that every request of the kind takes.
// Only who has signed gets here, so that shares are those of keys that exist.
func (c *call) admit(ctx context.Context) (leave func(), err error) {
	l, memory := c.h.requests, int64(requestMemory)
	switch c.op.name {
	case "PutObject", "UploadPart":
		l = c.h.streams
	case "GetObject", "CopyObject", "UploadPartCopy":
		l = c.h.streams
		memory += downloadMemory
	}
	if c.op.action == auth.List {
		memory += listMemory
	}
	if c.pass, err = l.enter(ctx, c.signed.AccessKey, memory); err != nil {
		return nil, c.slowDown(l, err)
	}
	return c.pass.leave, nil
}

// reserve takes memory beyond what admit took, until the request ends. It is what package objects asks for room.
func (c *call) reserve(ctx context.Context, bytes int64) error {
	if err := c.pass.grow(ctx, bytes); err != nil {
		return c.slowDown(c.pass.lane, err)
	}
	return nil
}

// slowDown answers a lane's refusal; other errors stay what they are.
func (c *call) slowDown(l *lane, err error) error {
	short, ok := errors.AsType[*shortage](err)
	if !ok {
		return err
	}
	c.h.metrics.RequestShed(l.name, c.event.Vault(), short.of)
	return refuse("SlowDown", "Please reduce your request rate.").setHeader("Retry-After", "1").because(err)
}
