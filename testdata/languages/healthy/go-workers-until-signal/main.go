package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	helper := exec.Command("as", "helper", "cat")
	in, _ := helper.StdinPipe()
	helper.Stdout = os.Stdout
	helper.Start()
	work := make(chan int)
	for i := 0; i < 3; i++ {
		go func() {
			for n := range work {
				fmt.Fprintln(in, n)
			}
		}()
	}
	stop := make(chan os.Signal, 1)
	reload := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	signal.Notify(reload, syscall.SIGHUP)
	for {
		select {
		case <-reload:
			work <- 1
		case <-stop:
			in.Close()
			helper.Wait()
			return
		}
	}
}
