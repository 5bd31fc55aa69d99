// Command tool is all that the tests' base image holds: a static program for
// RUN steps.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

func main() {
	switch os.Args[1] {
	case "print":
		fmt.Println(strings.Join(os.Args[2:], " "))
	case "fail":
		fmt.Fprintln(os.Stderr, "tool: this cannot work")
		os.Exit(7)
	case "keep": // shows what the file holds, and what it leaves in a second one; then adds a word
		old, err := os.ReadFile(os.Args[2])
		if err != nil && !os.IsNotExist(err) {
			panic(err)
		}
		fmt.Printf("kept so far: <%s>\n", old)
		if err := os.WriteFile("/seen", old, 0o644); err != nil {
			panic(err)
		}
		if err := os.WriteFile(os.Args[2], []byte(string(old)+os.Args[3]), 0o644); err != nil {
			panic(err)
		}
	case "wait":
		fmt.Println("waiting")
		time.Sleep(5 * time.Minute)
	case "flood":
		line := strings.Repeat("flood ", 20)
		for range 20000 {
			fmt.Println(line)
		}
	case "dial": // ends with 0 when the address can be reached
		conn, err := net.DialTimeout("tcp", os.Args[2], 2*time.Second)
		if err != nil {
			fmt.Println("no way:", err)
			os.Exit(9)
		}
		_ = conn.Close()
		fmt.Println("reached", os.Args[2])
	case "big": // a file of so many MiB that does not compress
		f, err := os.Create("/big")
		if err != nil {
			panic(err)
		}
		random, err := os.Open("/dev/urandom")
		if err != nil {
			panic(err)
		}
		buf := make([]byte, 1<<20)
		for range len(os.Args[2]) {
			if _, err := random.Read(buf); err != nil {
				panic(err)
			}
			if _, err := f.Write(buf); err != nil {
				panic(err)
			}
		}
	}
}
