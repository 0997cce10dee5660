//go:build !linux

package integration

import "testing"

func ranAsOwnRoot(*testing.T) bool { return false }

func mounted(t *testing.T, _ string) string {
	t.Helper()
	notRun(t, "small file systems are mounted on Linux only")
	return ""
}

func makeReadOnly(*testing.T, string) {}
