"""`python -m bench.vm`: rows 1, 3, 4, 8 and 9 as instructions, in a virtual machine with a stock Debian kernel.

What is counted depends neither on this machine's load nor on which machine it is: they are the figures to quote.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.results import FOLDER

ROOT = Path(__file__).resolve().parents[1]
VM = ROOT / "tests/vm"
SECONDS = 2400


def main() -> int:
    """Fetch the kernel if need be, boot it, measure in it, and keep the figures in bench-results/."""
    parser = argparse.ArgumentParser(prog="python -m bench.vm", description=__doc__)
    parser.add_argument("--suite", default="trixie", help="Debian suite whose kernel is booted")
    parser.add_argument("--rows", default="1,3,4,8,9", help="rows to measure, for instance 3,4")
    options = parser.parse_args()
    fetch = subprocess.run([VM / "kernels.sh", options.suite], stdout=subprocess.PIPE, text=True, check=True)
    with tempfile.TemporaryDirectory(prefix="rover-bench-vm.") as out:
        guest = [sys.executable, "-m", "bench.guest", "/out", options.rows]
        how = ["--instructions", "--out", out, "--timeout", str(SECONDS)]
        boot = [str(VM / "vmrun"), *how, fetch.stdout.strip(), "--", *guest]
        status = subprocess.run(boot, cwd=ROOT).returncode
        figures = Path(out) / "vm.json"
        if figures.exists():
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / "vm.json").write_text(figures.read_text())
            print(f"written to {FOLDER / 'vm.json'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
