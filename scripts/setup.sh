#!/usr/bin/env bash
# Brings this machine to where rover can be built and run (`setup.sh run`), or also tested (`setup.sh test`), or also
# tested in virtual machines (`setup.sh vm`), or against containers and Kubernetes (`setup.sh kube`), or against a real
# SkyWalking OAP (`setup.sh oap`: its jars from Maven Central, 120 MB, once).
#
# Safe to call before every build: a stamp makes the second call take milliseconds. What is missing is installed, or
# named with the command that installs it. Python packages come from hash-pinned lock files only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

purpose="${1:-run}"
venv=.venv
rust_needed=1.88 # what tonic asks for

case "$purpose" in
    run) lock=requirements.lock ;;
    test | vm | kube | oap) lock=requirements-dev.lock ;;
    *)
        echo "usage: scripts/setup.sh [run|test|vm|kube|oap]" >&2
        exit 2
        ;;
esac

say() { printf '\033[1msetup:\033[0m %s\n' "$*" >&2; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
is_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# Anything that this script or its inputs decide is part of the stamp, and so is the folder: a venv cannot be moved.
stamp_value() { cat "$0" requirements.lock "$lock" <(pwd) | sha256sum | cut -d' ' -f1; }
stamp="$venv/setup-$purpose.stamp"
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(stamp_value)" ]; then
    exit 0
fi

# --- Debian packages -------------------------------------------------------------------------------------------------

# Command or file that shows that a package is there, and the package that brings it.
run_needs=(
    clang:clang gcc:gcc make:make pkg-config:pkg-config git:git
    /usr/include/libelf.h:libelf-dev /usr/include/zlib.h:zlib1g-dev
    node:nodejs npm:npm
)
test_needs=(
    bpftool:bpftool clang-format:clang-format curl:curl ip:iproute2 nginx:nginx-light wrk:wrk chromium:chromium
    ethtool:ethtool nft:nftables nghttp:nghttp2-client h2load:nghttp2-client nghttpd:nghttp2-server openssl:openssl
    strace:strace /usr/include/liburing.h:liburing-dev /usr/include/openssl/ssl.h:libssl-dev
    /usr/include/gnutls/gnutls.h:libgnutls28-dev gnutls-serv:gnutls-bin
)
vm_needs=(
    bpftrace:bpftrace busybox:busybox-static cpio:cpio depmod:kmod flock:util-linux qemu-system-x86_64:qemu-system-x86
    xz:xz-utils zstd:zstd
)

kube_needs=(
    containerd:containerd runc:runc /bin/busybox:busybox-static conntrack:conntrack go:golang-go debootstrap:debootstrap
    podman:podman /usr/lib/cni/bridge:containernetworking-plugins
)

oap_needs=(java:default-jre-headless mvn:maven)

missing_packages() {
    local pair
    for pair in "$@"; do
        case "$pair" in
            /*) [ -e "${pair%%:*}" ] || echo "${pair#*:}" ;;
            *) has "${pair%%:*}" || [ -x "/usr/sbin/${pair%%:*}" ] || echo "${pair#*:}" ;;
        esac
    done
}

install_packages() {
    [ $# -gt 0 ] || return 0
    has apt-get || fail "missing: $*. Install them with your package manager (names as in Debian), then run this again."
    [ "$(id -u)" = 0 ] || fail "missing: $*. Install them: sudo apt-get install -y --no-install-recommends $*"
    say "installing $* (a few minutes at most)"
    apt-get update -qq
    # Started services are not wanted: the tests run their own nginx.
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2 && fail "apt-get could not install: $*"; }
}

log="$(mktemp)"
policy=/usr/sbin/policy-rc.d
policy_was_there=no
[ ! -e "$policy" ] || { policy_was_there=yes && policy="$(mktemp)"; }
trap 'rm -f "$log"; [ "$policy_was_there" = yes ] || rm -f "$policy"' EXIT

needs=("${run_needs[@]}")
[ "$purpose" = run ] || needs+=("${test_needs[@]}")
[ "$purpose" != vm ] || needs+=("${vm_needs[@]}")
[ "$purpose" != kube ] || needs+=("${kube_needs[@]}")
[ "$purpose" != oap ] || needs+=("${oap_needs[@]}")
mapfile -t missing < <(missing_packages "${needs[@]}" | sort -u)
install_packages "${missing[@]}"

# --- Toolchains ------------------------------------------------------------------------------------------------------

[ ! -d "$HOME/.cargo/bin" ] || PATH="$PATH:$HOME/.cargo/bin"
has cargo || fail "Rust is missing. Install it with rustup (www.rust-lang.org/tools/install), then run this again."
rust_found="$(rustc --version | cut -d' ' -f2)"
is_at_least "$rust_found" "$rust_needed" || fail "Rust $rust_found is too old, $rust_needed is needed: rustup update stable"

node_found="$(node --version | tr -d v)"
is_at_least "$node_found" 20.19 || fail "Node.js $node_found is too old for the web page's build, 20.19 is needed"

if [ "$purpose" != run ] && ! has go; then
    say "Go is missing: the tests against Go's net/http will be skipped. Install it: apt-get install golang-go"
fi

python_found=
for candidate in python3 python3.11 python3.12 python3.13 python3.14; do
    if has "$candidate" && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python_found="$candidate"
        break
    fi
done
if [ -z "$python_found" ]; then
    fail "Python 3.11 or newer is missing. Install it: apt-get install python3 python3-venv"
fi

# --- Python packages -------------------------------------------------------------------------------------------------

# A venv that was moved here from elsewhere, or whose Python is gone, has a Python that cannot say where it is.
if ! [ "$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$(pwd)/$venv" ]; then
    rm -rf "$venv"
    "$python_found" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    "$python_found" -m venv "$venv"
fi
say "installing Python packages of $lock into $venv (up to a minute)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" 2>&1 |
    { grep -v "^Ignoring .*: markers" || true; }

# --- A real OAP --------------------------------------------------------------------------------------------------------

# The jars stay where Maven keeps them; the list of them is what the tests start OAP with.
if [ "$purpose" = oap ]; then
    jars="${XDG_CACHE_HOME:-$HOME/.cache}/rover/oap/classpath.txt"
    mkdir -p "$(dirname "$jars")"
    say "looking for the jars of OAP (120 MB the first time)"
    mvn -B -q -f tests/oap/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath \
        -DincludeScope=runtime -Dmdep.outputFile="$jars" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2 && fail "Maven could not get the jars of OAP"; }
fi

stamp_value >"$stamp"
say "ready to $purpose"
