# paas itself, with the programs it runs: git, the PostgreSQL server, buildkitd.
FROM golang:1.26 AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags "-X main.buildTag=${VERSION}" -o /out/paas ./cmd/paas && \
    go build -trimpath -buildvcs=false -o /out/buildkitd github.com/moby/buildkit/cmd/buildkitd

FROM debian:bookworm-slim
# The package's own database cluster would only take a port.
RUN mkdir -p /etc/postgresql-common/createcluster.d && \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/paas.conf && \
    apt-get update && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates git iptables openssh-client postgresql runc && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /out/paas /out/buildkitd /usr/local/bin/
VOLUME /var/lib/paas
EXPOSE 8080 2222
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/paas"]
CMD ["standalone", "--data-dir", "/var/lib/paas"]
