package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"sync"
)

func main() {
	tool := exec.Command("as", "tool", "cat")
	in, _ := tool.StdinPipe()
	out, _ := tool.StdoutPipe()
	tool.Start()
	answers := make(chan string)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			answers <- lines.Text()
		}
	}()
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			fmt.Fprintf(in, "question %d\n", i)
		}(i)
	}
	go func() {
		wg.Wait()
		fmt.Println("all asked")
	}()
	for a := range answers {
		fmt.Println(a)
	}
	in.Close()
	tool.Wait()
}
