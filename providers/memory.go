package providers

import "sallyport/providers/driver"

// streamMemory bounds what a driver and its connection hold of one body that they stream: 256 KiB in a folder; buffers of the connection, of TLS and of
// the signature at an S3 service.
const streamMemory = 512 << 10

// PutMemory returns how many bytes a Put of a body of size bytes holds at worst, beside what the body itself holds.
func (s *Store) PutMemory(size int64) int64 {
	if s.caps.SplitAbove <= 0 || size <= s.caps.SplitAbove {
		return s.PartMemory(size)
	}
	if part := s.split.partSize(size); part <= mostBuffered {
		return 2*part + streamMemory
	}
	return streamMemory
}

// PartMemory is PutMemory for a part of an upload. A body of up to bufferUpTo is held here; driver and connection hold no more than that beside it.
func (s *Store) PartMemory(size int64) int64 {
	if size > bufferUpTo {
		return streamMemory
	}
	return 2 * driver.BufferSize(size)
}
