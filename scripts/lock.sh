#!/usr/bin/env bash
# Writes requirements.lock (what a build needs), requirements-run.lock (what an installed rover needs) and
# requirements-dev.lock (tests too): versions and hashes, no addresses.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

options=(
    --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
)
.venv/bin/pip-compile "${options[@]}" --extra build --output-file requirements.lock pyproject.toml "$@"
.venv/bin/pip-compile "${options[@]}" --constraint requirements.lock --output-file requirements-run.lock \
    pyproject.toml "$@"
.venv/bin/pip-compile "${options[@]}" --extra build --extra dev --constraint requirements.lock \
    --output-file requirements-dev.lock pyproject.toml "$@"
sed -i '/^#/d; /^$/d' requirements.lock requirements-run.lock requirements-dev.lock
