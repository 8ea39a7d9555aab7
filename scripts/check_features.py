"""Checks docs/features.md: every feature names a place that exists and tests that exist."""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "features.md"
ROW = re.compile(r"^\| (?P<id>[A-Z]\d+-\d+[a-z]?) \| (?P<what>[^|]+) \| (?P<where>[^|]+) \| (?P<test>[^|]+) \|$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the table of features."""
    return [match.groupdict() for match in ROW.finditer(text)]


def exists(test: str) -> bool:
    """Tell whether a pytest node id (file, or file::function, or file::Class::function) names a test; nothing is imported."""
    file, *names = test.split("::")
    path = ROOT / file
    if not path.is_file():
        return False
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for name in names:
        found = [part for part in body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and part.name == name]
        if not found:
            return False
        body = found[0].body
    return True


def faults(text: str) -> list[str]:
    """Return what is wrong with the page."""
    found = rows(text)
    ids = [row["id"] for row in found]
    wrong = [f"{id_} stands twice" for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1})]
    lines = [line for line in text.splitlines() if re.match(r"\| [A-Z]\d+-", line)]
    if len(lines) != len(found):
        wrong.append(f"{len(lines) - len(found)} rows cannot be read: they need id, feature, place and test")
    for row in found:
        places, tests = NAME.findall(row["where"]), NAME.findall(row["test"])
        wrong += [f"{row['id']}: there is no {place}" for place in places if not (ROOT / place).exists()]
        wrong += [f"{row['id']}: there is no test {test}" for test in tests if not exists(test)]
        wrong += [f"{row['id']} names no {name}" for name, names in (("place", places), ("test", tests)) if not names]
    return wrong


def main() -> int:
    """Print what is wrong; returns the exit code."""
    for fault in (wrong := faults(PAGE.read_text())):
        print(f"docs/features.md: {fault}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
