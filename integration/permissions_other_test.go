//go:build !linux

package integration

import (
	"os"
	"testing"
)

func obeyPermissions() error { return nil }

func needsPermissions(t *testing.T) {
	t.Helper()
	if os.Geteuid() <= 0 { // -1 on Windows, where a folder's write permission is no bit of its mode
		notRun(t, "permission bits do not bind this user here")
	}
}
