// IPC101 deadlock: the writing end of sort's input stays open until idle workers end, who wait for its output
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

func main() {
	reader, writer, _ := os.Pipe()
	cmd := exec.Command("sort")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdin = reader
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	reader.Close()
	lines := make(chan string)
	var all sync.WaitGroup
	for i := 0; i < 3; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for range lines {
			}
		}()
	}
	go func() {
		defer close(lines)
		io.Copy(io.Discard, out)
	}()
	fmt.Fprintln(writer, "a line")
	fmt.Println("stuck", cmd.Process.Pid)
	fmt.Println("stuck", os.Getpid())
	fmt.Println("culprit", os.Getpid())
	fmt.Println("READY")
	all.Wait()
	writer.Close()
	cmd.Wait()
}
