package local

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// FileSystem is what a Folder does to the file system below its root, one method per call whose failure or loss matters. Production
// uses os.Root; tests record, fail and lose calls here. Paths are relative, slash-separated and clean; "." is the root. No method
// follows a symbolic link in any component. Errors satisfy errors.Is with fs.ErrNotExist, fs.ErrExist and the syscall numbers.
// Methods may be called from many goroutines at once.
type FileSystem interface {
	// Open opens a regular file for reading; anything else fails with ErrNotPlain.
	Open(path string) (File, error)
	// Create makes a new file with mode 0600, open for reading and writing; fs.ErrExist if anything stands there.
	Create(path string) (File, error)
	// Stat describes what stands at path itself.
	Stat(path string) (Stat, error)
	// OpenDir opens a directory for reading its names.
	OpenDir(path string) (Directory, error)
	// Mkdir makes a directory with mode 0700; fs.ErrExist if anything stands there.
	Mkdir(path string) error
	// Rename moves a file or directory, replacing a file at newPath atomically.
	Rename(oldPath, newPath string) error
	// Link gives a file a second name; fs.ErrExist if anything stands at newPath.
	Link(oldPath, newPath string) error
	// Remove removes a file.
	Remove(path string) error
	// RemoveDir removes a directory if it is empty, and otherwise fails.
	RemoveDir(path string) error
	// SyncDir makes the entries of a directory durable. An error that is ErrSyncNotBegun leaves them to a later sync; after any other, changes
	// that were not durable may never be, whatever later syncs say.
	SyncDir(path string) error
	// Lock takes the advisory lock on the file at path, making it if need be, and writes owner into it. When another holds it, the error
	// is a *LockedError. The lock ends with Close or with the process.
	Lock(path string, owner []byte) (io.Closer, error)
	// Volume describes the file system.
	Volume() (Volume, error)
	// Boot names the time since the system last held nothing in memory; "" = it cannot tell.
	Boot() string
	// Close releases the root.
	Close() error
}

// File is an open regular file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	// ReadFrom appends what is left of r; from another File the operating system may share or copy the blocks itself.
	io.ReaderFrom
	// SeekTo sets where Read, ReadFrom and Write go on.
	SeekTo(off int64) error
	Stat() (Stat, error)
	SetModTime(t time.Time) error
	// Sync makes contents, length and times durable. After an error nothing is known about what was written before it.
	Sync() error
	Close() error
}

// Directory is an open directory.
type Directory interface {
	// Next returns up to n further entries in no order, and io.EOF with none when there are no more.
	Next(n int) ([]DirEntry, error)
	Close() error
}

// DirEntry is a name in a directory and the type bits of what it names.
type DirEntry struct {
	Name string
	Type fs.FileMode
}

// Stat describes a file. Inode is 0 where the system has no such number.
type Stat struct {
	Size    int64
	ModTime time.Time
	Inode   uint64
	Mode    fs.FileMode
}

// Volume describes the file system that holds the root.
type Volume struct {
	Type            string // as the operating system calls it, or ""
	Network         bool   // on another machine, as far as the type tells
	Volatile        bool   // in memory only
	UnstableInodes  bool   // inode numbers may change while the file does not
	Windows         bool   // Windows' rules for names apply
	NoDirSync       bool   // the operating system cannot sync a directory
	NoJournal       bool   // a power failure can leave a move between directories half done, with two names for what only one may free
	KnowsSpace      bool   // Free and Total are set
	Free, Total     uint64 // bytes; Free is what this user may still write
	SharedWithOther bool   // the root can be written by group or others
}

// ErrNotPlain says that what stands at a path is no regular file or directory as wanted, or that the way there leads over a symbolic link.
var ErrNotPlain = errors.New("not a regular file or directory, or reached over a symbolic link")

// ErrSyncNotBegun says that a directory could not even be opened to sync it.
var ErrSyncNotBegun = errors.New("sync not begun")

// LockedError says that another process holds the lock of a folder, with what that one wrote into the lock file.
type LockedError struct {
	Owner []byte
}

// Error names the owner.
func (e *LockedError) Error() string { return "locked by another process: " + string(e.Owner) }

// isFile and isDir report what a mode is.
func isFile(m fs.FileMode) bool { return m.IsRegular() }
func isDir(m fs.FileMode) bool  { return m.IsDir() }
