package ladder

import (
	"os/exec"
	"syscall"
)

// isolate puts the child in a process group of its own, so that a terminal's
// interrupt reaches only us and we can kill whatever it starts, and has the
// kernel kill it when we are killed.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// SIGKILL at once: the child holds nothing worth saving.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// reap kills what the child may have left in its group.
func reap(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // usually there is nobody left
}
