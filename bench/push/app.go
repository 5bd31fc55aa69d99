package main

// files are the app that is pushed: a small Go web app as people write it. The
// binary goes into a directory of its own: for COPY --from, BuildKit looks at
// every file beside the one that is copied, and beside /app lies the whole of
// the Go image (0.3 s).
var files = map[string]string{
	"go.mod": "module bench\n\ngo 1.26\n",
	"Dockerfile": `FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod *.go ./
RUN --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED=0 go build -ldflags="-s -w" -o /out/app .

FROM scratch
COPY --from=build /out/app /app
USER 65534
CMD ["/app"]
`,
	"main.go": `package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "VERSION %s\n", os.Getenv("GREETING"))
	})
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
`,
}
