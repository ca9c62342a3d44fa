#!/usr/bin/env bash
# Runs each fuzz target of the parsers for the given number of seconds; a crash ends it with its input's name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../parsers"

seconds="${1:-60}"
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: a nightly Rust is needed: rustup toolchain install nightly" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz (about two minutes)" >&2
    cargo install --quiet --locked cargo-fuzz
fi
for target in $(cargo +nightly fuzz list); do
    echo "fuzz: $target for $seconds s" >&2
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10
done
