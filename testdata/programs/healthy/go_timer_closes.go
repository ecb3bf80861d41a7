// healthy: a function of a timer will close the input of a child whose output is read to its end
package main

import (
	"fmt"
	"io"
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
	time.AfterFunc(1000*time.Second, func() { in.Close() })
	fmt.Println("READY")
	io.Copy(io.Discard, out)
	cmd.Wait()
}
