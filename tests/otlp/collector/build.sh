#!/bin/sh
# Build the collector of the tests from Go modules, at the versions that go.mod and go.sum beside this file pin.
#   build.sh [BIN_DIR]    default: $OTEL_TEST_BIN, else ${XDG_CACHE_HOME:-$HOME/.cache}/rover/otel
# A binary that was built of the same pins with the same Go is left alone.
set -eu
bin=${1:-${OTEL_TEST_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/rover/otel}}
mkdir -p "$bin"; bin=$(cd "$bin" && pwd)
cd "$(dirname "$0")"
stamp=$(cat go.mod go.sum main.go build.sh | sha256sum | cut -c1-16)-$(go env GOVERSION)
if [ ! -x "$bin/collector" ] || [ "$(cat "$bin/.collector" 2>/dev/null)" != "$stamp" ]; then
  CGO_ENABLED=0 nice -n 10 go build -mod=readonly -trimpath -ldflags "-s -w" -o "$bin/collector" .
  echo "$stamp" >"$bin/.collector"
fi
echo "$bin/collector"
