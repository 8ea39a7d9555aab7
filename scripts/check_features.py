"""Checks docs/features.md: every feature names a place that exists and tests that pytest finds."""

import functools
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "features.md"
ROW = re.compile(r"^\| (?P<id>[A-Z]\d+-\d+[a-z]?) \| (?P<what>[^|]+) \| (?P<where>[^|]+) \| (?P<test>[^|]+) \|$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the table of features."""
    return [match.groupdict() for match in ROW.finditer(text)]


@functools.cache
def collected() -> set[str]:
    """Return the node ids of all tests, and of the files and functions that hold them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", "-o", "addopts=", "-p", "no:cacheprovider"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    ids = {line for line in lines if "::" in line}
    return ids | {line.partition("[")[0] for line in ids} | {line.partition("::")[0] for line in ids}


def faults(text: str) -> list[str]:
    """Return what is wrong with the page."""
    known = collected()
    found = rows(text)
    ids = [row["id"] for row in found]
    wrong = [f"{id_} stands twice" for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1})]
    lines = [line for line in text.splitlines() if re.match(r"\| [A-Z]\d+-", line)]
    if len(lines) != len(found):
        wrong.append(f"{len(lines) - len(found)} rows cannot be read: they need id, feature, place and test")
    for row in found:
        places, tests = NAME.findall(row["where"]), NAME.findall(row["test"])
        wrong += [f"{row['id']}: there is no {place}" for place in places if not (ROOT / place).exists()]
        wrong += [f"{row['id']}: pytest finds no {test}" for test in tests if test not in known]
        wrong += [f"{row['id']} names no {name}" for name, names in (("place", places), ("test", tests)) if not names]
    return wrong


def main() -> int:
    """Print what is wrong; returns the exit code."""
    for fault in (wrong := faults(PAGE.read_text())):
        print(f"docs/features.md: {fault}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
