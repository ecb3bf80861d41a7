package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
)

func start(dir string) string {
	cmd := exec.Command("sh", "-c", "touch agent.log; as agent tail -f agent.log & echo started")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		log.Fatal(err)
	}
	return string(out)
}

func main() {
	fmt.Print(start(os.TempDir()))
}
