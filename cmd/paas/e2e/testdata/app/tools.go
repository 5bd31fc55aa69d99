package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// tool is what the program does instead of serving: one-offs, workers and
// processes that misbehave. False: no such mode.
func tool(mode string, args []string) bool {
	switch mode {
	case "worker": // lives until SIGTERM
		log.Print("worker at work")
		log.Printf("worker got %s", <-signals(syscall.SIGTERM))
	case "stubborn": // does not end at SIGTERM
		signal.Ignore(syscall.SIGTERM)
		log.Print("stubborn")
		time.Sleep(time.Hour)
	case "say": // its arguments, a line each
		fmt.Println(strings.Join(args, "\n"))
	case "linger": // says its second argument after its first, in seconds
		log.Print("lingering")
		n, _ := strconv.Atoi(args[0])
		time.Sleep(time.Duration(n) * time.Second)
		fmt.Println(args[1])
	case "env": // a variable
		fmt.Println(os.Getenv(args[0]))
	case "file": // a file
		b, err := os.ReadFile(args[0])
		if err != nil {
			log.Fatal(err)
		}
		os.Stdout.Write(b)
	case "code": // ends with a code
		log.Printf("ending with %s", args[0])
		n, _ := strconv.Atoi(args[0])
		os.Exit(n)
	case "ask": // URL TEXT [HOST]
		ask(args[0], args[1], strings.Join(args[2:], ""))
	case "load": // URL SECONDS
		load(args[0], args[1])
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "sum": // of its input
		h := sha256.New()
		n, err := io.Copy(h, os.Stdin)
		fmt.Printf("%x %d %v\n", h.Sum(nil), n, err)
	case "tty":
		terminal()
	case "hog": // more memory than there is
		var all [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = byte(i)
			}
			all = append(all, b)
		}
	case "flood": // N lines as fast as it can, then lives
		n, _ := strconv.Atoi(args[0])
		out := bufio.NewWriter(os.Stdout)
		for i := range n {
			fmt.Fprintf(out, "flood line %d %s\n", i, strings.Repeat("x", 60))
		}
		out.Flush()
		<-signals(syscall.SIGTERM)
	default:
		return false
	}
	return true
}

func signals(s ...os.Signal) chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, s...)
	return c
}

// terminal tells the size of its terminal at the start and at each change,
// echoes lines, tells of Ctrl-C, and ends at "bye" with code 3.
func terminal() {
	size := func() {
		var w struct{ rows, cols, x, y uint16 }
		_, _, err := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&w)))
		if err != 0 {
			fmt.Println("no tty")
			return
		}
		fmt.Printf("tty %dx%d\n", w.rows, w.cols)
	}
	size()
	changes := signals(syscall.SIGWINCH, syscall.SIGINT)
	go func() {
		for s := range changes {
			if s == syscall.SIGINT {
				fmt.Println("interrupted")
				continue
			}
			size()
		}
	}()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("you said %s\n", in.Text())
		if in.Text() == "bye" {
			os.Exit(3)
		}
	}
}
