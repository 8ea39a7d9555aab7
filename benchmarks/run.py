"""Measure everything and print one table: `python -m benchmarks.run [NAME …]`; exits 1 when a target is missed."""

import importlib
import sys
import time

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
)


def main(names: list[str]) -> int:
    """Run the named measurements, or all."""
    figures: list[Figure] = []
    for name in names or NAMES:
        begin = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"benchmarks.{name}").measure()
        print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    show(figures)
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
