package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"sallyport/crypto/chunked"
	"sallyport/crypto/object"
)

// Gap is a stretch of salvaged output that could not be had; zeros stand in its place.
type Gap struct {
	Part   int
	Offset int64 // in the output
	Length int64
}

// SalvageReport says what Salvage found. Names, ETag and metadata are in the tail and lost with it.
type SalvageReport struct {
	Parts       []int // numbers of the frames found, ascending; 0 alone for an object made by one PUT
	Size        int64 // of the output
	Gaps        []Gap
	Skipped     []error // the first of the frames that were found and not written, and why
	MoreSkipped int     // how many others there are
	Missing     []int   // parts that were not found: by the table if Listed, else by the holes in the numbers
	Listed      bool    // tail and table are intact, and Missing is certain
	Whole       bool    // tail and table account for every byte of the output
	Unreadable  int64   // bytes of the file in sectors that could not be read
	ReadErr     error   // of the first of them
}

// Complete reports whether nothing is known to be missing. Parts lost at the end leave no trace when table and tail are lost too.
func (r *SalvageReport) Complete() bool {
	return r.Whole || len(r.Gaps) == 0 && len(r.Skipped) == 0 && len(r.Missing) == 0 && r.Unreadable == 0 && len(r.Parts) > 0
}

// compare says which parts are missing, by tail and table if they open.
func (r *SalvageReport) compare(opened *object.File) {
	var want []int
	switch {
	case opened != nil && len(opened.Table) == 0:
		want = r.Parts // of one frame, whatever its number
	case opened != nil:
		for _, e := range opened.Table {
			want = append(want, e.Part)
		}
	case len(r.Parts) > 1 || r.Parts[0] != 0:
		for n := 1; n < slices.Max(r.Parts); n++ {
			want = append(want, n)
		}
	}
	for _, n := range want {
		if !slices.Contains(r.Parts, n) {
			r.Missing = append(r.Missing, n)
		}
	}
	r.Listed = opened != nil
	r.Whole = opened != nil && len(r.Gaps)+len(r.Skipped)+len(r.Missing) == 0 && len(r.Parts) == len(want) && r.Size == opened.Metadata.Plain
}

// maxSkipped bounds what is told one by one: a file can be made of headers alone.
const maxSkipped = 100

func (r *SalvageReport) skip(err error) {
	if len(r.Skipped) < maxSkipped {
		r.Skipped = append(r.Skipped, err)
	} else {
		r.MoreSkipped++
	}
}

// Salvage writes what can be verified of one object's frames to out, parts in ascending order, and zeros for the chunks that cannot, be they
// altered or unreadable. Only whole verified chunks are written. Where tail and table are intact they say which frames those are; else they are
// those of the object that the tail's clear bytes name or, if there are none, of the first frame found, and of each part the first. What
// else verifies is not written but told of: it may have been put there to be taken for a part of the object. It fails when out cannot be written, or no
// frame is found.
func Salvage(file io.ReaderAt, size int64, vault object.VaultID, keyring object.Keyring, out io.Writer) (*SalvageReport, error) {
	src := newPatientReader(file)
	opened, err := object.OpenFile(src, size, keyring)
	if err != nil {
		opened = nil
	}
	report := &SalvageReport{}
	err = salvage(src, size, vault, keyring, opened, out, report)
	if err == nil {
		report.compare(opened)
	}
	report.Unreadable, report.ReadErr = int64(len(src.bad))*sectorSize, src.err
	return report, err
}

func salvage(src *patientReader, size int64, vault object.VaultID, keyring object.Keyring, opened *object.File, out io.Writer, report *SalvageReport) error {
	sorter, err := newFrameSorter(src, size, opened, report)
	if err != nil {
		return fmt.Errorf("salvage: %w", err)
	}
	for s, err := range object.Salvage(src, size, vault, keyring) {
		switch {
		case s == nil:
			return fmt.Errorf("salvage: %w", err)
		case err != nil:
			report.skip(fmt.Errorf("part %d at byte %d: %w", s.Part, s.Offset, err))
		default:
			sorter.add(s)
		}
	}
	frames := sorter.chosen()
	if len(frames) == 0 {
		return errors.Join(errors.New("salvage: no part of this file opens with this key: is it the right key and vault file?"), errors.Join(report.Skipped...), src.err)
	}
	for _, number := range slices.Sorted(maps.Keys(frames)) {
		report.Parts = append(report.Parts, number)
		if err := salvageFrame(frames[number], out, report); err != nil {
			return err
		}
	}
	return nil
}

// salvageFrame copies one frame, chunk by chunk where it must.
func salvageFrame(s *object.Salvaged, out io.Writer, report *SalvageReport) error {
	start, done := report.Size, int64(0)
	buf := make([]byte, 16*chunked.ChunkSize)
	for done < s.Plain {
		r := s.ReaderFrom(done / chunked.ChunkSize)
		n, readErr, writeErr := copyChunks(out, r, buf)
		done += n
		report.Size += n
		if writeErr != nil {
			return fmt.Errorf("salvage: write: %w", writeErr)
		}
		if readErr == nil {
			break
		}
		lost := min(chunked.ChunkSize, s.Plain-done)
		if errors.Is(readErr, io.ErrUnexpectedEOF) {
			lost = s.Plain - done
		} else if !errors.Is(readErr, object.ErrDamaged) {
			return fmt.Errorf("salvage: %w", readErr)
		}
		if _, err := io.CopyN(out, zeroReader{}, lost); err != nil {
			return fmt.Errorf("salvage: write: %w", err)
		}
		report.addGap(Gap{Part: s.Part, Offset: start + done, Length: lost})
		done += lost
		report.Size += lost
	}
	return nil
}

func (r *SalvageReport) addGap(g Gap) {
	if g.Length == 0 {
		return // the empty last chunk of a frame: nothing of the plaintext is lost
	}
	if n := len(r.Gaps); n > 0 && r.Gaps[n-1].Part == g.Part && r.Gaps[n-1].Offset+r.Gaps[n-1].Length == g.Offset {
		r.Gaps[n-1].Length += g.Length
		return
	}
	r.Gaps = append(r.Gaps, g)
}

// copyChunks is io.Copy that tells a failure to read from one to write.
func copyChunks(w io.Writer, r io.Reader, buf []byte) (n int64, readErr, writeErr error) {
	for {
		got, err := r.Read(buf)
		if got > 0 {
			if _, werr := w.Write(buf[:got]); werr != nil {
				return n, nil, werr
			}
			n += int64(got)
		}
		if errors.Is(err, io.EOF) {
			return n, nil, nil
		}
		if err != nil {
			return n, err, nil
		}
	}
}

type zeroReader struct{}

// Read implements io.Reader.
func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// DecryptFile writes the plaintext of one object file to name: whole and verified, or not at all. An existing file is not replaced. It ends with
// ctx, and leaves nothing then.
func DecryptFile(ctx context.Context, opened *object.File, name string) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists and is left alone: choose another name with --to", name)
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("decrypt to %s: %w", name, err)
	}
	defer func() { _ = root.Close() }()
	out := &output{root: root, disk: realDisk{}, temps: "."}
	temp, err := out.stage(&contextReader{ctx, opened.Reader(), nil}, opened.Metadata.Plain, opened.Metadata.Time)
	if err == nil {
		if _, err = out.publish(temp, filepath.Base(name)); err != nil {
			err = errors.Join(err, root.Remove(temp))
		}
	}
	if err == nil {
		err = out.syncNames()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("decrypt to %s: %w; nothing was written", name, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("decrypt to %s: %w", name, err)
	}
	return nil
}
