// IPC101 waiting: a program reads the output of sort to its end before it closes sort's input; a server of
// the same program waits for clients
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	go http.ListenAndServe("127.0.0.1:0", nil)
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
