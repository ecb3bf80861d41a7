package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

type account struct {
	sync.Mutex
	balance int
}

var a, b = &account{balance: 10}, &account{balance: 10}

func transfer(from, to *account) {
	from.Lock()
	defer from.Unlock()
	time.Sleep(200 * time.Millisecond)
	to.Lock()
	defer to.Unlock()
	from.balance--
	to.balance++
}

func serve(c net.Conn) {
	word, _ := bufio.NewReader(c).ReadString('\n')
	if word == "forth\n" {
		transfer(a, b)
	} else {
		transfer(b, a)
	}
	fmt.Fprintln(c, "done")
	c.Close()
}

func ask(word string, wg *sync.WaitGroup) {
	c, _ := net.Dial("unix", os.TempDir()+"/bank")
	fmt.Fprintln(c, word)
	bufio.NewReader(c).ReadString('\n')
	wg.Done()
}

func main() {
	if len(os.Args) > 1 {
		var wg sync.WaitGroup
		wg.Add(2)
		go ask("forth", &wg)
		go ask("back", &wg)
		wg.Wait()
		return
	}
	l, err := net.Listen("unix", os.TempDir()+"/bank")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	self, _ := os.Executable()
	fmt.Println(exec.Command("as", "client", self, "client").Run())
}
