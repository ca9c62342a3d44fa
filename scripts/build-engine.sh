#!/usr/bin/env bash
# Builds rover/_engine.abi3.so (cargo decides what is stale) and, once, the command .venv/bin/rover.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ ! -d "$HOME/.cargo/bin" ] || PATH="$PATH:$HOME/.cargo/bin"
export VIRTUAL_ENV="$PWD/.venv"
unset CONDA_PREFIX

if [ ! -e rover/_engine.abi3.so ]; then
    echo "engine: compiling the kernel programs and the Rust crates (first time: a few minutes)" >&2
fi
.venv/bin/maturin develop --release --skip-install 2>&1 |
    { grep --line-buffered -vE 'Building a mixed|Found (CPython|pyo3)|Built wheel|set rpath' || true; } >&2

# Installing is needed only for what pyproject.toml says: the command's entry point and the version.
if ! [ .venv/bin/rover -nt pyproject.toml ]; then
    log="$(mktemp)"
    trap 'rm -f "$log"' EXIT
    .venv/bin/maturin develop --release >"$log" 2>&1 || { tail -n 20 "$log" >&2 && exit 1; }
    touch .venv/bin/rover
fi
