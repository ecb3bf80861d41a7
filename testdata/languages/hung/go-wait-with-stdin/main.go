package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
)

func main() {
	var out bytes.Buffer
	cmd := exec.Command("as", "counter", "wc", "-l")
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	cmd.Start()
	for i := 0; i < 10; i++ {
		io.WriteString(in, "row\n")
	}
	err = cmd.Wait()
	fmt.Println(out.String(), err)
	in.Close()
}
