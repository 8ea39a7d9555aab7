"""Checks docs/security/asvs.md: every requirement of OWASP ASVS 5.0.0 at level 1 and 2 once, with tests and pages that exist, or a reason."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.check_features import exists

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security" / "asvs.md"
STANDARD = ROOT / "security" / "asvs-5.0.0.csv"
ROW = re.compile(r"^\| (?P<id>\d+\.\d+\.\d+) \| (?P<level>\d) \| (?P<what>[^|]+) \| (?P<shown>[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[^`]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#([^)]+))?\)")
REASON = re.compile(r"\*(?:not applicable|owed):\* \S")


def standard() -> dict[str, str]:
    """Return the level of each requirement."""
    with STANDARD.open(newline="") as file:
        return {row["requirement"]: row["level"] for row in csv.DictReader(file)}


def faults(text: str, levels: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the page."""
    rows = [match.groupdict() for match in ROW.finditer(text)]
    counts = Counter(row["id"] for row in rows)
    lines = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    wrong = [f"{len(lines) - len(rows)} rows cannot be read"] if len(lines) != len(rows) else []
    wrong += [f"{id_} is missing" for id_ in levels if id_ not in counts]
    wrong += [f"{id_} stands {count} times" for id_, count in counts.items() if count > 1]
    for row in rows:
        if levels.get(row["id"]) != row["level"]:
            wrong.append(f"{row['id']} is of level {levels.get(row['id'], 'none: there is no such requirement')}")
        wrong += [f"{row['id']}: {fault}" for fault in _unshown(row["shown"])]
    return wrong


def _unshown(cell: str) -> Iterator[str]:
    tests, links = TEST.findall(cell), LINK.findall(cell)
    if not (tests or links or REASON.search(cell)):
        yield "neither a test, nor a page, nor a reason"
    yield from (f"there is no test {test}" for test in tests if not exists(test))
    yield from (f"there is no {path}#{anchor}" for path, anchor in links if not _leads(path, anchor))


def _leads(path: str, anchor: str) -> bool:
    page = PAGE.parent / path
    if not page.is_file():
        return False
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return not anchor or anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def check() -> list[str]:
    """Return what is wrong."""
    return [f"docs/security/asvs.md: {fault}" for fault in faults(PAGE.read_text(), standard())]


def main() -> int:
    """Print what is wrong; returns the exit code."""
    for fault in (wrong := check()):
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
