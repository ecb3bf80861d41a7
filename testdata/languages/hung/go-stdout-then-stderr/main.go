package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
)

func main() {
	cmd := exec.Command("as", "tool", "perl", "-e", `print STDERR "note: line $_ is long enough\n" for 1..9000; print "result\n"`)
	stdout, _ := cmd.StdoutPipe()
	stderr, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		fmt.Println(lines.Text())
	}
	notes, _ := io.ReadAll(stderr)
	fmt.Println(len(notes), cmd.Wait())
}
