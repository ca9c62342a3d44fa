#!/usr/bin/env bash
# Puts the wheel of dist/ and what it imports where a Debian package would, or takes it away again:
#   scripts/install.sh install|uninstall
# Environment: DESTDIR (a root to install into, for packagers), PREFIX (/usr), PYTHON (the one that will run rover), PURGE=1
# (uninstall configuration and data too).
#
# No virtual environment: that would hold the path that it was made in. The command puts one folder on the path of an
# otherwise bare Python, so that nothing that is installed elsewhere, or in a user's home, comes into a daemon of root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root="${DESTDIR:-}"
prefix="${PREFIX:-/usr}"
library="$prefix/lib/rover"
command="$prefix/bin/rover"
unit="$prefix/lib/systemd/system/rover.service"
settings=/etc/rover/rover.yaml
data=/var/lib/rover

fail() {
    printf 'install: %s\n' "$*" >&2
    exit 1
}

maybe_reload() { # systemd is told only of what is really installed
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
}

python_of_users() {
    local candidate
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.11 python3.12 python3.13 python3.14}; do
        if candidate="$(command -v "$candidate")" &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            readlink -f "$(dirname "$candidate")" | sed "s#\$#/${candidate##*/}#"
            return
        fi
    done
    fail "${PYTHON:-python3}: Python 3.11 or newer is needed"
}

install_all() {
    local python wheels=(dist/rover-*.whl) stage="$root$library.new"
    [ ${#wheels[@]} = 1 ] && [ -e "${wheels[0]}" ] || fail "there is not one wheel in dist: make wheel"
    [ -x .venv/bin/python ] || fail "no .venv: make wheel"
    python="$(python_of_users)"
    rm -rf "$stage"
    mkdir -p "$stage"
    # pip of this folder, for the other Python: Debian's own often has none.
    local pip=(.venv/bin/python -m pip --python "$python" --disable-pip-version-check install --quiet --no-compile
        --root-user-action ignore --target "$stage" --upgrade)
    "${pip[@]}" --only-binary :all: --require-hashes -r requirements-run.lock 2>&1 | { grep -v '^Ignoring' || true; } >&2
    "${pip[@]}" --no-deps "${wheels[0]}"
    # What rover never imports is three fifths of the size: the asynchronous twin of the Kubernetes client, and pip.
    rm -rf "$stage"/{bin,kubernetes/aio,pip,pip-*.dist-info}
    "$python" -m compileall -q -j 0 -s "$stage" -p "$library" "$stage" >/dev/null ||
        fail "$python could not compile what was installed"
    chmod -R u=rwX,go=rX "$stage"

    # At once, or a daemon that starts now would find half of it.
    rm -rf "$root$library.old"
    [ ! -e "$root$library" ] || mv "$root$library" "$root$library.old"
    mv "$stage" "$root$library"
    rm -rf "$root$library.old"

    install -d "$root$prefix/bin" "$root${unit%/*}" "$root${settings%/*}"
    install -d -m 0700 "$root$data"
    cat >"$root$command.new" <<X
#!$python -IS
import sys

sys.path.insert(0, "$library")

from rover.cli import main

sys.exit(main())
X
    chmod 0755 "$root$command.new"
    mv "$root$command.new" "$root$command"
    sed "s#/usr/bin/rover#$command#" config/systemd/rover.service >"$root$unit"
    install_settings
    maybe_reload
    echo "installed: $root$command, $root$library, $root$unit, $root$settings"
}

install_settings() { # an administrator's file is never overwritten
    if [ ! -e "$root$settings" ]; then
        install -m 0600 config/rover.yaml "$root$settings"
    elif ! cmp -s config/rover.yaml "$root$settings"; then
        install -m 0600 config/rover.yaml "$root$settings.new"
        echo "kept: $root$settings; this version's is $settings.new"
    fi
}

uninstall_all() {
    rm -rf "$root$library" "$root$library.new" "$root$library.old" "$root$command" "$root$unit" "$root$settings.new"
    if [ "${PURGE:-}" = 1 ]; then
        rm -rf "$root${settings%/*}" "$root$data"
    else
        echo "kept: $root${settings%/*}, $root$data (PURGE=1 removes them)"
    fi
    maybe_reload
}

case "${1:-}" in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "usage: scripts/install.sh install|uninstall" ;;
esac
