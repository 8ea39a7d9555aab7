"""Measure everything and print one table: `python -m benchmarks.run [NAME …]`; exits 1 when a target is missed.

Beside each name stands what share of the processors' time the host gave to others meanwhile: figures of such minutes are those of a smaller machine.
"""

import argparse
import importlib
import sys
import time
from pathlib import Path

from benchmarks.report import Figure, show

NAMES = (
    "startup",
    "validation",
    "single_run",
    "chain_http",
    "waiting_nodes",
    "reads_under_load",
    "storage",
    "sse",
    "group_commit",
    "limits",
    "overload",
    "audit",
    "isolation",
    "cluster",
    "soak",
    "auth",
    "users",
    "large_values",
)


def main(names: list[str]) -> int:
    """Run the named measurements, or all."""
    parser = argparse.ArgumentParser("python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all when none is named")
    told = parser.parse_args(names).names
    if unknown := [name for name in told if name not in NAMES]:
        parser.error(f"there is no measurement {unknown[0]!r}; there are {', '.join(NAMES)}")
    figures: list[Figure] = []
    for name in told or NAMES:
        begin, before = time.monotonic(), _stolen()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"benchmarks.{name}").measure()
        taken, all_time = (now - then for now, then in zip(_stolen(), before, strict=True))
        print(f"{time.monotonic() - begin:.0f} s, {taken / max(all_time, 1):.0%} taken by the host", file=sys.stderr)
    show(figures)
    return int(any(figure.met is False for figure in figures))


def _stolen() -> tuple[int, int]:
    """Return the ticks that the host has taken from this machine, and all there were (``steal`` and the sum of proc_stat(5))."""
    spent = [int(ticks) for ticks in Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]]
    return spent[7], sum(spent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
