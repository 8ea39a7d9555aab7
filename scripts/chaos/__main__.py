"""Fault campaigns: ``python -m scripts.chaos`` runs all of them at full size, ``python -m scripts.chaos NAME`` one; sizes are flags.

A campaign prints its seed, which repeats it, and its figures. The exit code is 0 when every promise was kept.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from scripts.chaos import real, simulated

ALL = (["enumerate", "--keep"], ["kills"], ["restarts"], ["broker"], ["queued"])


def main(words: Sequence[str]) -> int:
    """Read the command line and do what it says; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.chaos", description=__doc__)
    commands = parser.add_subparsers()
    simulated.add(commands)
    real.add(commands)
    if words:
        options = parser.parse_args(words)
        return min(int(options.do(options)), 1)
    failed = []
    for campaign in ALL:
        begin, options = time.monotonic(), parser.parse_args(campaign)
        failed += [campaign[0]] if options.do(options) else []
        print(f"{campaign[0]} took {time.monotonic() - begin:.0f} s", flush=True)
    print(f"broken promises in: {', '.join(failed)}" if failed else "every promise was kept")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
