// healthy: a read of a child's output has a deadline
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	out.(*os.File).SetReadDeadline(time.Now().Add(1000 * time.Second))
	fmt.Println("READY")
	io.Copy(io.Discard, out)
	in.Close()
	cmd.Wait()
}
