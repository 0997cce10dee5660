//go:build unix

package integration

import "syscall"

// canPause says whether a process can be stopped and go on later as if nothing had been.
const canPause = true

func (g *gateway) pause()  { g.signal(syscall.SIGSTOP) }
func (g *gateway) resume() { g.signal(syscall.SIGCONT) }
