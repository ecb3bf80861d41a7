package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command("as", "lister", "ls", "/")
	cmd.Stdout = w
	cmd.Stderr = w
	if err := cmd.Run(); err != nil {
		panic(err)
	}
	all, _ := io.ReadAll(r)
	fmt.Println(len(all))
	w.Close()
}
