//go:build !linux

package decoder

import "os/exec"

func diesWithTest(*exec.Cmd) {}
