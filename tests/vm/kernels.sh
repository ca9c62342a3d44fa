#!/bin/bash
# Fetch stock Debian kernels for vmrun and unpack them, one folder per suite.
#
#   kernels.sh [SUITE…]        default: trixie (6.12); bullseye is 5.10, bookworm 6.1, sid the newest
#
# Prints the folder of each kernel. They go into $ROVER_KERNELS, or else the user's cache folder, and are kept there, so that
# another clone finds them; two callers at once fetch once. Nothing is installed: apt gets a configuration of its own, and the
# archive is the one that this machine's apt already uses.
set -euo pipefail

cache=${ROVER_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/rover/kernels}
[ $# -gt 0 ] || set -- trixie

# First archive that apt knows and that is no security archive: those hold no complete suite.
archive() {
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1
}

# Write a private apt configuration for suite $1 below folder $2 and make later apt calls use it.
private_apt() {
    local suite=$1 apt=$2
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    echo "deb $(archive) $suite main" >"$apt/sources.list"
    cat >"$apt/conf" <<CONF
Dir::State "$apt/state";
Dir::State::status "/dev/null";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
// As root apt would drop to a user that may not write here, and warn about it.
APT::Sandbox::User "root";
CONF
}

# Names of the packages that make up the kernel: the meta package depends on an image, newer images on binary and modules packages.
kernel_packages() {
    local queue=("linux-image-amd64") seen=" " name
    while [ ${#queue[@]} -gt 0 ]; do
        name=${queue[0]}
        queue=("${queue[@]:1}")
        case $seen in *" $name "*) continue ;; esac
        seen+="$name "
        echo "$name"
        mapfile -t -O ${#queue[@]} queue < <(apt-cache depends "$name" | awk '$1 == "Depends:" && $2 ~ /^linux-(image|binary|modules)-/ { print $2 }')
    done
}

fetch() {
    # One name is enough under the lock, and what a fetch that was killed left behind goes.
    local suite=$1 root=$cache/$1 work=$cache/.$1.part
    rm -rf "$work"
    private_apt "$suite" "$work/apt"
    (
        # A child that outlives this script, as some of apt's do, must not keep the lock.
        exec 9>&-
        export APT_CONFIG=$work/apt/conf
        apt-get update -qq
        cd "$work/apt/debs"
        mapfile -t names < <(kernel_packages)
        apt-get download -qq "${names[@]}"
        for deb in *.deb; do dpkg -x "$deb" "$work"; done
    ) >&2
    # Merged /usr: some suites ship usr/lib/modules only.
    [ -d "$work/lib/modules" ] || ln -sfn usr/lib "$work/lib"
    depmod -b "$work" "$(ls "$work/lib/modules")"
    rm -rf "$work/apt" "$root"
    mv "$work" "$root"
}

for suite in "$@"; do
    mkdir -p "$cache"
    {
        flock 9
        # The folder appears under its name only when complete.
        [ -d "$cache/$suite" ] || { echo "fetching the kernel of Debian $suite" >&2; fetch "$suite"; }
    } 9>"$cache/.$suite.lock"
    echo "$cache/$suite"
done
