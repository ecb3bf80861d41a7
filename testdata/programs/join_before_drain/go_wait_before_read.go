// IPC106 deadlock: a program waits for the end of a child whose output it has not read, and the pipe is full
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command("head", "-c", "300000", "/dev/zero")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Println("stuck", cmd.Process.Pid)
	fmt.Println("stuck", os.Getpid())
	fmt.Println("culprit", os.Getpid())
	fmt.Println("READY")
	cmd.Wait()
	all, _ := io.ReadAll(out)
	fmt.Println(len(all))
}
