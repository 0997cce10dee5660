package local

import (
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// TestSharedSync lets calls share a sync only if it begins after they asked: one that runs already may have missed their change.
func TestSharedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		release := make(chan error)
		s := &dirSyncs{dirs: map[string]*dirSync{}, sync: func(string) error {
			begun++
			return <-release
		}}
		var wg sync.WaitGroup
		errs := make([]error, 5)
		ask := func(i int) { wg.Go(func() { errs[i] = s.do("d") }) }
		ask(0)
		synctest.Wait()
		for i := 1; i < 5; i++ {
			ask(i)
			synctest.Wait()
		}
		if begun != 1 {
			t.Fatalf("%d syncs run at once", begun)
		}
		release <- nil
		synctest.Wait()
		if begun != 2 {
			t.Fatalf("after the first, %d have begun", begun)
		}
		failed := errors.New("failed")
		release <- failed
		wg.Wait()
		if begun != 2 || errs[0] != nil {
			t.Errorf("%d syncs, first %v", begun, errs[0])
		}
		for _, err := range errs[1:] {
			if !errors.Is(err, failed) {
				t.Errorf("a caller that shared a failed sync got %v", err)
			}
		}
		if len(s.dirs) != 0 {
			t.Errorf("%d directories remembered", len(s.dirs))
		}
	})
}

// TestSyncOfNoDirectory tells a directory that cannot be opened from one whose sync failed: only the latter costs anything.
func TestSyncOfNoDirectory(t *testing.T) {
	files, err := openRootFS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if err := files.SyncDir("absent"); !errors.Is(err, ErrSyncNotBegun) || !errors.Is(err, fs.ErrNotExist) || !isGone(err) {
		t.Errorf("sync of no directory: %v", err)
	}
	if err := files.SyncDir("."); err != nil {
		t.Errorf("sync of the root: %v", err)
	}
	if boot := files.Boot(); boot != files.Boot() || (boot == "") == (runtime.GOOS == "linux") {
		t.Errorf("boot %q", boot)
	}
}
