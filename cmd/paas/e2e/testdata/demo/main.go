// The app of the dashboard's pictures: one static binary that looks like a
// small web shop, its worker, its build and its migrations.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	green, yellow, red, blue = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[34m"
	dim, bold, plain         = "\x1b[2m", "\x1b[1m", "\x1b[0m"
)

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	args := append(os.Args[1:], "", "")
	switch args[0] {
	case "build":
		seconds, _ := strconv.ParseFloat(args[1], 64)
		build(time.Duration(seconds * float64(time.Second)))
	case "migrate":
		fmt.Println("Migrating the database")
		fmt.Println("  0041 add table gift_cards " + green + "ok" + plain + " 14 ms")
		fmt.Println("  0042 index orders by day  " + green + "ok" + plain + " 203 ms")
	case "report":
		fmt.Println("report of yesterday: 412 orders, 9 refunds")
	case "worker":
		worker()
	case "crash":
		log.Print(red + "fatal" + plain + " cannot reach the mail relay: dial tcp 10.0.0.7:25: connection refused")
		os.Exit(1)
	case "hostile": // as a step of a build
		hostile()
	case "say":
		hostile()
		web()
	case "flood": // as a step of a build
		lines, _ := strconv.Atoi(args[1])
		for i := range lines {
			fmt.Printf("%scompiled%s module %d of %d\n", green, plain, i+1, lines)
		}
	case "shell":
		shell()
	default:
		web()
	}
}

// build prints what builds print, in about as long.
func build(lasts time.Duration) {
	lines := []string{
		bold + "shop" + plain + " 2.14.0",
		blue + "→" + plain + " resolving 214 packages",
		yellow + "warning" + plain + " left-pad@1.3.0 is not maintained any more",
		blue + "→" + plain + " compiling templates",
		green + "✓" + plain + " 38 templates in 0.4 s",
		blue + "→" + plain + " bundling scripts",
		"  app.js       " + dim + "41.2 kB" + plain,
		"  checkout.js  " + dim + "18.9 kB" + plain,
		"  search.js    " + dim + " 9.7 kB" + plain,
		green + "✓" + plain + " bundled in 1.1 s",
		blue + "→" + plain + " running 128 checks",
		green + "✓" + plain + " all passed",
	}
	for _, l := range lines {
		fmt.Println(l)
		time.Sleep(lasts / time.Duration(len(lines)))
	}
}

func worker() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	log.Print(bold + "worker" + plain + " waits for jobs in " + os.Getenv("QUEUE"))
	for n := 7040; ; n++ {
		select {
		case <-stop:
			log.Print("finished the job at hand, stopping")
			return
		case <-time.After(time.Duration(1500+rand.IntN(2500)) * time.Millisecond):
			log.Printf("%sdone%s job=%d kind=%s took=%dms", green, plain, n, []string{"receipt", "thumbnail", "restock"}[n%3], 20+rand.IntN(300))
		}
	}
}

func web() {
	log.Printf("%slistening%s port=%s pool=5", bold, plain, os.Getenv("PORT"))
	if os.Getenv("PAYMENT_URL") == "broken" {
		log.Print(red + "fatal" + plain + " PAYMENT_URL is not a URL")
		os.Exit(1)
	}
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		log.Print("draining, then stopping")
		time.Sleep(20 * time.Millisecond)
		os.Exit(0)
	}()
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(answer)))
}

func answer(w http.ResponseWriter, r *http.Request) {
	version, _ := os.ReadFile("/VERSION")
	took := time.Duration(2+rand.ExpFloat64()*12) * time.Millisecond
	time.Sleep(took)
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/missing"):
		log.Printf("%swarn%s  no such product path=%s", yellow, plain, path)
		http.NotFound(w, r)
	case path == "/checkout" && rand.IntN(6) == 0:
		log.Printf("%serror%s payment gateway timed out after 3000ms order=%d", red, plain, 88000+rand.IntN(900))
		log.Print("      at pay (checkout.go:118)\n      at handle (server.go:64)")
		http.Error(w, "try again", http.StatusInternalServerError)
	default:
		log.Printf("%sinfo%s  %s %s took=%dms cart=%d", green, plain, r.Method, path, took.Milliseconds(), rand.IntN(5))
		fmt.Fprintf(w, "<!doctype html><title>Shop</title><h1>Lamps and chairs</h1><p>%s</p><p>Served by %s</p>\n", version, os.Getenv("DYNO"))
	}
}

// hostile prints what an app may print to harm who reads its log.
func hostile() {
	for _, l := range []string{
		`<script>window.harmed = "log"</script>`,
		`"><img src=x onerror="window.harmed = 'img'">`,
		`</pre></code></td></table><svg onload="window.harmed = 'svg'">`,
		"\x1b]0;a title\x07\x1b]8;;javascript:window.harmed=1\x07a link\x1b]8;;\x07 \x1b[2J\x1b[H\x1b[31;44mred\x1b[0m \x1b[999999999mx",
		"\u202egnirts desrever\u202c \u2066isolate\u2069 \u200bzero",
		"null \x00 byte, bad \xff\xfe utf-8, a\rcarriage",
		"javascript:window.harmed='url' http://paas.localhost/sign-out",
		"{{.Secret}} ${harmed} <!-- --!> <![CDATA[",
	} {
		fmt.Println(l)
	}
}

// shell is the least of one, for the terminal's picture.
func shell() {
	fmt.Print("shop:/ $ ")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); fmt.Print("shop:/ $ ") {
		switch line := strings.TrimSpace(in.Text()); line {
		case "exit":
			return
		case "":
		default:
			fmt.Printf("%s: DYNO=%s QUEUE=%s, %s up\r\n", line, os.Getenv("DYNO"), os.Getenv("QUEUE"), green+"web"+plain)
		}
	}
}
