package jobs

import (
	"fmt"
	"io"

	"sallyport/crypto/object"
)

// frameSorter finds the frames of one object among all that verify. Those of the vault's other objects do, and so does every attempt to send a part.
type frameSorter struct {
	report *SalvageReport
	named  map[int]object.Frame // by tail and table; nil = they are lost
	groups []frameGroup         // of the object that the tail names, if it names one, and of that of the first frame
}

type frameGroup struct {
	owner  object.FramePrefix // what all frames of one object have in common; part and length are zero
	frames map[int]*object.Salvaged
}

func newFrameSorter(src io.ReaderAt, size int64, opened *object.File, report *SalvageReport) (*frameSorter, error) {
	f := &frameSorter{report: report}
	if opened != nil {
		f.named = map[int]object.Frame{}
		for _, frame := range opened.Layout.Frames() {
			f.named[frame.Part] = frame
		}
		f.begin(ownerByTail(opened.Layout.Identity()))
		return f, nil
	}
	in, err := object.Inspect(src, size)
	if err == nil && in.Tail != nil {
		f.begin(ownerByTail(*in.Tail))
	}
	return f, err
}

func ownerByTail(id object.Identity) object.FramePrefix {
	return object.FramePrefix{Mode: id.Mode, Epoch: id.Epoch, Salt: id.Salt}
}

func (f *frameSorter) begin(owner object.FramePrefix) {
	f.groups = append(f.groups, frameGroup{owner, map[int]*object.Salvaged{}})
}

// add keeps the first frame of each part of either object.
func (f *frameSorter) add(s *object.Salvaged) {
	owner := object.FramePrefix{Mode: s.Mode, Epoch: s.Epoch, Salt: s.Salt}
	if f.named == nil && (len(f.groups) == 0 || len(f.groups) == 1 && f.groups[0].owner != owner && len(f.groups[0].frames) == 0) {
		f.begin(owner)
	}
	for _, g := range f.groups {
		if g.owner != owner {
			continue
		}
		if f.named != nil && !isNamed(f.named, s) {
			f.report.skip(fmt.Errorf("part %d at byte %d is none that the object is made of", s.Part, s.Offset))
		} else if first, ok := g.frames[s.Part]; ok {
			f.report.skip(fmt.Errorf("part %d at byte %d: there is one of this number at byte %d already", s.Part, s.Offset, first.Offset))
		} else {
			g.frames[s.Part] = s
		}
		return
	}
	f.skipOther(s)
}

func isNamed(named map[int]object.Frame, s *object.Salvaged) bool {
	frame, ok := named[s.Part]
	salt, commitment := s.Seal()
	return ok && frame.Salt == salt && frame.Commitment == commitment
}

func (f *frameSorter) skipOther(s *object.Salvaged) {
	f.report.skip(fmt.Errorf("part %d at byte %d belongs to another object", s.Part, s.Offset))
}

// chosen returns the frames to be written, by part number.
func (f *frameSorter) chosen() map[int]*object.Salvaged {
	var frames map[int]*object.Salvaged
	for _, g := range f.groups {
		if len(frames) == 0 {
			frames = g.frames
			continue
		}
		for _, s := range g.frames {
			f.skipOther(s)
		}
	}
	return frames
}
