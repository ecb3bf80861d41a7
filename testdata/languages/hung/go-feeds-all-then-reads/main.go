package main

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
)

func filter(text string) string {
	cmd := exec.Command("as", "filter", "cat", "-n")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	cmd.Start()
	io.Copy(in, strings.NewReader(text))
	in.Close()
	b, _ := io.ReadAll(out)
	cmd.Wait()
	return string(b)
}

func main() {
	fmt.Println(len(filter(strings.Repeat("some text of a line\n", 20000))))
}
