// healthy: the output of a child that takes its time is read to its end
package main

import (
	"fmt"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	fmt.Println("READY")
	out, err := cmd.Output()
	fmt.Println(string(out), err)
}
