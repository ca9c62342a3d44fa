#!/usr/bin/env bash
# Builds the web page from web/ into rover/web/static, only when a source is newer than the result.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

page=rover/web/static/index.html

if [ ! -f web/node_modules/.package-lock.json ] || [ web/package-lock.json -nt web/node_modules/.package-lock.json ]; then
    echo "web: installing packages (npm ci, up to a minute)" >&2
    (cd web && npm ci --no-audit --no-fund --loglevel=error)
    touch web/node_modules/.package-lock.json
fi

newer="$(find web -path web/node_modules -prune -o -type f -newer "$page" -print -quit 2>/dev/null || true)"
if [ ! -f "$page" ] || [ -n "$newer" ]; then
    echo "web: building the page" >&2
    (cd web && npm run --silent build)
    touch "$page"
fi
