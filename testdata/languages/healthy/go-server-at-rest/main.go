package main

import (
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	jobs := make(chan string)
	for i := 0; i < 4; i++ {
		go func() {
			for j := range jobs {
				println(j)
			}
		}()
	}
	go func() {
		for range time.Tick(time.Minute) {
			jobs <- "tick"
		}
	}()
	l, err := net.Listen("unix", os.TempDir()+"/http")
	if err != nil {
		panic(err)
	}
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		jobs <- r.URL.Path
	}))
}
