// IPC101 deadlock: a program reads the output of sort to its end before it closes sort's input
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command("sort")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Println("stuck", cmd.Process.Pid)
	fmt.Println("stuck", os.Getpid())
	fmt.Println("culprit", os.Getpid())
	fmt.Println("READY")
	io.WriteString(in, "b\na\n")
	sorted, _ := io.ReadAll(out)
	in.Close()
	fmt.Print(string(sorted))
	cmd.Wait()
}
