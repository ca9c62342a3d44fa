#!/usr/bin/env bash
# Write engine/src/events.rs anew from bpf/events.h (through the BTF of the compiled object).
set -euo pipefail
cd "$(dirname "$0")/.."
ROVER_WRITE_LAYOUTS=1 RUST_BACKTRACE=0 cargo test --release --quiet -p rover-engine --test event_layouts
