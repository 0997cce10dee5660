package local

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// DurabilityClass says what an acknowledgement of this folder is worth.
type DurabilityClass string

// The classes.
const (
	ClassDurable  DurabilityClass = "durable"  // files and directories are synced, and the file system takes part
	ClassFile     DurabilityClass = "file"     // files are synced, their names may not outlast a crash: directories cannot be synced, or there is no journal
	ClassRemote   DurabilityClass = "remote"   // synced as far as the server of a network file system does it
	ClassNone     DurabilityClass = "none"     // syncing is off, or the file system lives in memory
	ClassUnproved DurabilityClass = "unproved" // opened for reading only; nothing was tried
)

// Probe is what Open found out about the folder by trying.
type Probe struct {
	Class      DurabilityClass
	FileSystem string        // as the operating system calls it; "" = it does not say
	FoldsCase  bool          // Foo and foo are one file
	Normalises bool          // two Unicode forms of a name are one file
	LongNames  bool          // names are as long as the escaped layout needs them
	Links      bool          // a file can have a second name, by which creation can be exclusive also against other programs
	TimeStep   time.Duration // smallest difference between two times of last change
	Free       uint64        // bytes at the time of opening, 0 = not known
	Total      uint64        // bytes
	Warnings   []string      // what an operator should know, in sentences

	volume Volume
}

// Probe returns what Open found out.
func (f *Folder) Probe() Probe {
	p := f.probe
	p.Warnings = append([]string(nil), p.Warnings...)
	return p
}

// Names that differ only by case or by Unicode form, looked up under their other form.
const (
	probeCase, probeOtherCase = "-case", "-CASE"
	probeForm, probeOtherForm = "-\u00e9", "-e\u0301"
)

// runProbe tries in tmp what the driver relies on.
func (f *Folder) runProbe() error {
	v := f.probe.volume
	f.probe = Probe{volume: v, FileSystem: v.Type, Free: v.Free, Total: v.Total, TimeStep: time.Nanosecond}
	base := tempDir + "/" + randomName()
	var err error
	if f.probe.FoldsCase, err = f.isAlias(base+probeCase, base+probeOtherCase); err != nil {
		return fmt.Errorf("try case folding: %w", err)
	}
	// A file system that refuses such names refuses them to objects too.
	f.probe.Normalises, err = f.isAlias(base+probeForm, base+probeOtherForm)
	if err != nil && !isNotHeld(err) && !errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("try Unicode forms: %w", err)
	}
	if err := f.probeFile(base); err != nil {
		return err
	}
	if err := f.probeLongName(base); err != nil {
		return err
	}
	if err := f.syncDirNow(tempDir); err != nil {
		return err
	}
	f.judge()
	return nil
}

// isAlias reports whether a file made as name can be found as other.
func (f *Folder) isAlias(name, other string) (bool, error) {
	if err := f.writeFile(name, nil); err != nil {
		return false, err
	}
	_, err := f.files.Stat(other)
	return err == nil, f.files.Remove(name)
}

// probeFile tries the step of times, links and, by renaming, whether inode numbers keep still.
func (f *Folder) probeFile(base string) error {
	file, err := f.files.Create(base)
	if err != nil {
		return err
	}
	step, err := timeStep(file)
	before, statErr := file.Stat()
	if err := errors.Join(err, statErr, f.syncFile(file), file.Close()); err != nil {
		return err
	}
	f.probe.TimeStep = step
	switch err := f.files.Link(base, base+"-link"); {
	case err == nil:
		f.probe.Links = true
		if err := f.files.Remove(base + "-link"); err != nil {
			return err
		}
	case isNoSpace(err) || isPassing(err):
		return fmt.Errorf("try a link: %w", err)
	}
	moved := base + "-moved"
	if err := f.files.Rename(base, moved); err != nil {
		return fmt.Errorf("try a rename: %w", err)
	}
	after, err := f.files.Stat(moved)
	if err != nil {
		return err
	}
	if before.Inode != after.Inode {
		f.probe.volume.UnstableInodes = true
	}
	return f.files.Remove(moved)
}

// longestName is the longest file name in bytes that the escaped layout makes.
const longestName = pieceLen + 5

// probeLongName tries a name as long as they get.
func (f *Folder) probeLongName(base string) error {
	name := base + "-" + strings.Repeat("n", longestName-len(path.Base(base))-1)
	err := f.writeFile(name, nil)
	if err != nil {
		if isNotHeld(err) {
			return nil
		}
		return fmt.Errorf("try a long name: %w", err)
	}
	f.probe.LongNames = true
	return f.files.Remove(name)
}

// timeStep returns the smallest difference in time that the file's file system keeps.
func timeStep(file File) (time.Duration, error) {
	odd := time.Unix(1_700_000_001, 111_111_111)
	if err := file.SetModTime(odd); err != nil {
		return 0, fmt.Errorf("set a file's time: %w", err)
	}
	s, err := file.Stat()
	if err != nil {
		return 0, err
	}
	for _, step := range []time.Duration{time.Nanosecond, 100 * time.Nanosecond, time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second} {
		if s.ModTime.Equal(odd.Truncate(step)) {
			return step, nil
		}
	}
	return 2 * time.Second, nil
}

// judge derives the class and the warnings.
func (f *Folder) judge() {
	p := &f.probe
	warn := func(sentence string) { p.Warnings = append(p.Warnings, sentence) }
	p.Class = ClassDurable
	if p.volume.NoDirSync || f.noDirSync.Load() {
		p.Class = ClassFile
		warn("directories cannot be synced here: after a power failure an acknowledged object may be missing unless the file system's journal has it")
	}
	if p.volume.NoJournal {
		p.Class = ClassFile
		warn("the file system (" + p.FileSystem + ") has no journal: a power failure can lose or empty objects that were stored shortly before; check it before the gateway starts again")
	}
	if p.volume.Network {
		p.Class = ClassRemote
		warn("the folder is on a network file system (" + p.FileSystem + "): durability and the lock against a second gateway are the server's")
	}
	if p.volume.Volatile {
		p.Class = ClassNone
		warn("the folder is in memory (" + p.FileSystem + "): nothing survives a restart of the machine")
	}
	if f.noSync {
		p.Class = ClassNone
		warn("durability is off: a power failure can lose or tear anything written in the last minutes")
	}
	if !p.LongNames {
		warn("the file system holds only short names: keys with long segments are refused")
	}
	if p.volume.SharedWithOther {
		warn("group or others can write to the folder: they can delete objects and put older ones back; run chmod go-w on it")
	}
	if p.TimeStep > maxGlobalStep {
		warn("file times are coarse (" + p.TimeStep.String() + "): a key deleted and written again with equal length within one step can have its old ETag")
	}
	if f.names.verbatim && (p.FoldsCase || p.Normalises) {
		warn("the file system merges names: keys with letters it folds are refused in the verbatim layout")
	}
}
