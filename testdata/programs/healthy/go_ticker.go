// healthy: a child's input stays open while a ticker counts
package main

import (
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	ticker := time.NewTicker(time.Second)
	fmt.Println("READY")
	for i := 0; i < 1000; i++ {
		<-ticker.C
		fmt.Fprintln(in, i)
	}
	in.Close()
	cmd.Wait()
}
