package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "as", "counter", "wc", "-l")
	in, _ := cmd.StdinPipe()
	cmd.Start()
	fmt.Fprintln(in, "row")
	fmt.Println(cmd.Wait())
	in.Close()
}
