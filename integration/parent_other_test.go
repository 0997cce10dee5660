//go:build !linux

package integration

import "os/exec"

// dieWithParent is only possible on Linux.
func dieWithParent(*exec.Cmd) {}
