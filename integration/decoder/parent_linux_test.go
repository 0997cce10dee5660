package decoder

import (
	"os/exec"
	"syscall"
)

// diesWithTest has the kernel kill the process when the test binary is killed, as by a timeout.
func diesWithTest(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
