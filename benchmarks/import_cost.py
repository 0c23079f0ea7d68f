"""Compare `import tinygrad_pool` with `import numpy`, in fresh interpreters with cached byte code.

The two take turns. The figure is the ratio of the medians, which should remain below 1.15.

    python benchmarks/import_cost.py
"""

import argparse
import os
import statistics
import subprocess
import sys

MODULES = ("numpy", "tinygrad_pool")
TIMED_IMPORT = "from time import time; start = time(); import {}; print(time() - start)"


def seconds(module: str) -> float:
    """Time one import in a fresh interpreter."""
    command = [sys.executable, "-c", TIMED_IMPORT.format(module)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="twice only: does it run?")
    repeats = 2 if parser.parse_args().quick else 25
    for module in MODULES:
        seconds(module)  # writes the byte code
    times = [[seconds(module) for module in MODULES] for _ in range(repeats)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    for module, median in zip(MODULES, medians, strict=True):
        print(f"{module:14s} {median * 1e3:8.1f} ms")
    print(f"{'ratio':14s} {medians[1] / medians[0]:8.3f}")


if __name__ == "__main__":
    main()
