package jobs

import (
	"errors"
	"io"

	"sallyport/crypto/object"
)

// sectorSize is what is given up around a place that cannot be read.
const sectorSize = 4096

// patientReader reads zeros where its source cannot be read, sector by sector. What is encrypted never verifies as zeros.
type patientReader struct {
	src io.ReaderAt
	bad map[int64]struct{} // sectors
	err error              // the first
}

func newPatientReader(src io.ReaderAt) *patientReader {
	return &patientReader{src: src, bad: map[int64]struct{}{}}
}

// ReadAt implements io.ReaderAt; its only error is io.EOF.
func (p *patientReader) ReadAt(b []byte, off int64) (int, error) {
	if n, err := p.src.ReadAt(b, off); n == len(b) || err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	done := 0
	for done < len(b) {
		at := off + int64(done)
		sector := b[done:min(len(b), done+int(sectorSize-at%sectorSize))]
		n, err := p.src.ReadAt(sector, at)
		done += n
		switch {
		case n == len(sector):
		case errors.Is(err, io.EOF):
			return done, io.EOF
		default:
			clear(sector[n:])
			done += len(sector) - n
			p.bad[at/sectorSize] = struct{}{}
			if p.err == nil {
				p.err = err
			}
		}
	}
	return done, nil
}

// InspectDamaged is object.Inspect for a file that may be unreadable in places.
func InspectDamaged(src io.ReaderAt, size int64) (*object.Inspection, error) {
	return object.Inspect(newPatientReader(src), size)
}
