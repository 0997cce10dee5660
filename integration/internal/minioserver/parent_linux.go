package minioserver

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when this process is killed, which no cleanup outlives.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
