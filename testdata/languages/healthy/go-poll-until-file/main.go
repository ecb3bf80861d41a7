package main

import (
	"os"
	"os/exec"
	"time"
)

func main() {
	cmd := exec.Command("sh", "-c", "as job sleep 200; touch $TMPDIR/ready")
	cmd.Start()
	for {
		if _, err := os.Stat(os.TempDir() + "/ready"); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	cmd.Wait()
}
