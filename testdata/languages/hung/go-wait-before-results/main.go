package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
)

func count(name string) int {
	out, _ := exec.Command("wc", "-c", name).Output()
	return len(strings.Fields(string(out)))
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	results := make(chan int)
	var wg sync.WaitGroup
	for _, name := range []string{"/etc/passwd", "/etc/group", "/etc/hosts"} {
		wg.Add(1)
		go func(name string) {
			defer wg.Done()
			results <- count(name)
		}(name)
	}
	wg.Wait()
	close(results)
	for n := range results {
		fmt.Println(n)
	}
}
