//go:build unix

package providers

import "golang.org/x/sys/unix"

// newPages returns size bytes of memory from the system; nil if it gives none, or if so few are not worth a mapping of their own. The addresses are
// never given back: whoever still reads a buffer after it was given back finds zeros or other ciphertext there, and does not crash the program.
func newPages(size int) []byte {
	const least = 1 << 20
	if size < least {
		return nil
	}
	pages, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return pages
}

// dropPages gives the memory behind pages back to the system and keeps the addresses. Where that fails the memory stays until it is used again.
func dropPages(pages []byte) { _ = unix.Madvise(pages, unix.MADV_DONTNEED) }
