package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"sallyport/providers/driver"
)

// doubtFile stands while what is seen of the root's directories may be more, or less, than what the disk holds.
const doubtFile = systemDir + "/doubt"

// doubtRecord is the content of doubtFile.
type doubtRecord struct {
	Boot  string    `json:"boot"` // "" = the system does not say
	Since time.Time `json:"since"`
}

// After a sync of a directory failed, all changes to that directory that were not synced may be missing on the disk, those of other calls included,
// and for good: the system takes what it could not write for written. The directory as the system shows it from memory looks right all the same, and
// no later sync, no fresh file and no restart of this process shows or mends the difference. So from then on nothing is acknowledged and no change
// begins until the system has read the folder from the disk again; reads go on. doubtFile carries this over restarts of the process. It is not
// synced: a power failure that loses the file ends the doubt too (docs/decisions/0016).

// syncShared makes the entries of a directory durable, and says that it did only if no sync below the root has ever failed: the caller's change may
// be among what that one lost. Where others may change the directory too, this is the only way to sync it.
func (f *Folder) syncShared(dir string) error {
	err := f.syncDirNow(dir)
	if doubt := f.inDoubt(); doubt != nil {
		return doubt // and not err: callers take one that says that the directory is gone for success, which it is not now
	}
	return err
}

// inDoubt returns nil, or a ReadOnly error once a sync of a directory has failed.
func (f *Folder) inDoubt() error {
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	if f.health.doubt == nil {
		return nil
	}
	return &driver.Error{Kind: driver.ReadOnly, Op: "Sync", Err: f.health.doubt}
}

// doubt records that a directory's sync failed.
func (f *Folder) doubt(cause error) {
	f.health.mu.Lock()
	first := f.health.doubt == nil
	if first {
		f.health.doubt = fmt.Errorf("a directory could not be synced, so that what is seen may differ from what is on the disk; "+
			"no change is accepted before the file system was mounted anew: %w", cause)
	}
	f.health.mu.Unlock()
	if !first {
		return
	}
	f.log.Error("local folder: a directory could not be synced; only reads are served until the file system was mounted anew", "error", cause)
	f.noteDoubt()
}

// noteDoubt writes doubtFile unless that is done. Calls that the doubt refuses try it again.
func (f *Folder) noteDoubt() {
	f.health.mu.Lock()
	noted := f.health.noted
	f.health.mu.Unlock()
	if noted {
		return
	}
	if err := f.writeDoubt(); err != nil {
		f.log.Error("local folder: "+doubtFile+" could not be written; do not start the gateway again before the file system was mounted anew", "error", err)
		return
	}
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	f.health.noted = true
}

// writeDoubt makes doubtFile. Its name is not synced, see above; a process killed before its content is written leaves an empty one, which
// says the same but for the boot.
func (f *Folder) writeDoubt() error {
	record, err := json.Marshal(doubtRecord{Boot: f.files.Boot(), Since: f.now().UTC().Truncate(time.Second)})
	if err != nil {
		panic("local: internal error: " + err.Error())
	}
	if err := f.writeFile(doubtFile, append(record, '\n')); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// readDoubt returns the doubt that an earlier process left, and drops it if the machine was started anew since.
func (f *Folder) readDoubt() (doubt, err error) {
	file, err := f.files.Open(doubtFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", doubtFile, err)
	}
	content, err := io.ReadAll(io.LimitReader(file, 4096))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", doubtFile, err)
	}
	var r doubtRecord
	since, now := "an earlier time", f.files.Boot()
	if json.Unmarshal(content, &r) == nil {
		if r.Boot != "" && now != "" && r.Boot != now {
			f.log.Info("local folder: the machine was started anew since a directory could not be synced")
			return nil, ignoreAbsent(f.files.Remove(doubtFile))
		}
		since = r.Since.Format(time.RFC3339)
	}
	cure := "restart the machine, or stop the gateway, unmount and mount the file system and remove " + doubtFile
	if r.Boot == "" || now == "" { // no restart would be noticed
		cure = "stop the gateway, restart the machine or unmount and mount the file system, and remove " + doubtFile + " before the gateway starts again"
	}
	return fmt.Errorf("a directory could not be synced at %s; %s", since, cure), nil
}
