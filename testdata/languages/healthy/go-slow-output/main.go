package main

import (
	"fmt"
	"os/exec"
)

func main() {
	out, err := exec.Command("sh", "-c", "as build sleep 300; echo built").CombinedOutput()
	fmt.Println(string(out), err)
}
