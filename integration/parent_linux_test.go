package integration

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when this process is killed, which no cleanup outlives.
func dieWithParent(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
