// IPC204 deadlock: two goroutines take the locks of two accounts in different orders, beside one that copies what a child writes
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

type account struct {
	sync.Mutex
	balance int
}

func transfer(from, to *account, amount int) {
	from.Lock()
	defer from.Unlock()
	time.Sleep(100 * time.Millisecond)
	to.Lock()
	defer to.Unlock()
	from.balance -= amount
	to.balance += amount
}

func main() {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	cmd.Stdout = struct{ *os.File }{os.Stderr}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	a, b := &account{balance: 10}, &account{balance: 10}
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); transfer(a, b, 1) }()
	go func() { defer both.Done(); transfer(b, a, 2) }()
	fmt.Println("stuck", os.Getpid())
	fmt.Println("culprit", os.Getpid())
	fmt.Println("READY")
	both.Wait()
	fmt.Fprintln(in, a.balance, b.balance)
	in.Close()
	cmd.Wait()
}
