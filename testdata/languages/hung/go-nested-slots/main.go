package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

var slots = make(chan struct{}, 2)

func walk(dir string, depth int) int {
	slots <- struct{}{}
	defer func() { <-slots }()
	time.Sleep(50 * time.Millisecond)
	if depth == 0 {
		return 1
	}
	var wg sync.WaitGroup
	total := 0
	var mu sync.Mutex
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			n := walk(dir, depth-1)
			mu.Lock()
			total += n
			mu.Unlock()
		}()
	}
	wg.Wait()
	return total
}

func main() {
	sh := exec.Command("as", "shell", "sh")
	in, _ := sh.StdinPipe()
	sh.Stdout = os.Stdout
	sh.Start()
	go sh.Wait()
	n := walk("/", 3)
	fmt.Fprintf(in, "echo %d\nexit\n", n)
}
