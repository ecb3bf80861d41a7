package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

func server(path string) {
	l, err := net.Listen("unix", path)
	if err != nil {
		panic(err)
	}
	c, _ := l.Accept()
	line, err := bufio.NewReader(c).ReadBytes('\n')
	if err != nil {
		return
	}
	var v map[string]string
	json.Unmarshal(line, &v)
	fmt.Fprintf(c, "hello %s\n", v["name"])
}

func main() {
	path := os.TempDir() + "/s"
	if len(os.Args) > 1 {
		server(path)
		return
	}
	self, _ := os.Executable()
	cmd := exec.Command("as", "server", self, "serve")
	cmd.Start()
	var c net.Conn
	for c == nil {
		c, _ = net.Dial("unix", path)
		time.Sleep(20 * time.Millisecond)
	}
	b, _ := json.Marshal(map[string]string{"name": "x"})
	c.Write(b)
	reply, _ := bufio.NewReader(c).ReadString('\n')
	fmt.Print(reply)
}
