"""Run all tests: first those that need little of the machine, several at a time; then those that start clusters and kill them.

Usage: python -m scripts.tests [PATH …] [PYTEST OPTIONS]
With a path (tests/…), one plain pytest runs what it names.
"""

import subprocess
import sys

HEAVY = ["tests/acceptance", "tests/interfaces/rest/test_schemathesis.py"]
"""Tests with processes of their own, whose promises have bounds in seconds: two at a time, for each waits half of its time."""

AT_A_TIME = 3
"""More than there are processors: much of a test is waiting for a disk or a server."""

NOTHING_CHOSEN = 5


def main(arguments: list[str]) -> int:
    """Run the tests; returns pytest's exit status."""
    if any(argument.startswith("tests/") for argument in arguments):
        return _pytest(arguments)
    light = ["-n", str(AT_A_TIME), "--dist", "loadfile", *(f"--ignore={path}" for path in HEAVY)]
    heavy = ["-n", "2", "--dist", "worksteal", *HEAVY]
    results = [_pytest([*light, *arguments]), _pytest([*heavy, *arguments])]
    failures = [result for result in results if result not in (0, NOTHING_CHOSEN)]
    # Nothing chosen in both parts is a mistake in the options.
    return failures[0] if failures else min(results)


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
