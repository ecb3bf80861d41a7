package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	dir := os.TempDir()
	syscall.Mkfifo(dir+"/in", 0600)
	syscall.Mkfifo(dir+"/out", 0600)
	cmd := exec.Command("as", "peer", "bash", "-c", "exec 3<in; exec 4>out; cat <&3 >&4")
	cmd.Dir = dir
	cmd.Start()
	out, err := os.Open(dir + "/out")
	if err != nil {
		panic(err)
	}
	in, _ := os.OpenFile(dir+"/in", os.O_WRONLY, 0)
	fmt.Fprintln(in, "hello")
	in.Close()
	b, _ := io.ReadAll(out)
	fmt.Println(string(b), cmd.Wait())
}
