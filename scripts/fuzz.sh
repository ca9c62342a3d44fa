#!/usr/bin/env bash
# Runs each fuzz target of the parsers for the given number of seconds; a crash ends it with its input's name.
# Found inputs gather in parsers/fuzz/corpus; a crash, once mended, belongs into parsers/tests/corpus.
#
# The instrumentation needs flags that stable Rust hides: RUSTC_BOOTSTRAP shows them, so that no second toolchain is
# needed. No address sanitizer: the parsers forbid unsafe code, what is sought is panics, hangs and broken promises.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../parsers"
export RUSTC_BOOTSTRAP=1
[ ! -d "$HOME/.cargo/bin" ] || PATH="$PATH:$HOME/.cargo/bin"

seconds="${1:-60}"
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz (about two minutes)" >&2
    cargo install --quiet --locked cargo-fuzz
fi
for target in $(cargo fuzz list); do
    echo "fuzz: $target for $seconds s" >&2
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "tests/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -max_len=4096 -print_final_stats=1
done
