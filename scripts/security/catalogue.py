"""The catalogue of attacks: which tests make which, from the numbers that the tests carry.

A test carries the number of an attack in its name (``test_s12_…``) or at the begin of its docstring (``S12, S27: …``).
"""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "security" / "catalogue.toml"
PAGE = ROOT / "docs" / "security" / "catalogue.md"
IN_NAME = re.compile(r"test((?:_s\d+)+)_")
IN_DOCSTRING = re.compile(r"((?:S\d+, )*S\d+): ")
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Attack:
    """One entry.

    Attributes:
        number: as in ``S12``.
        what: what is tried, and what must come of it.
        absent: what of its target does not exist yet.
        owed: which tests are missing although their target exists.
    """

    number: int
    what: str
    absent: str | None = None
    owed: str | None = None


def read(text: str) -> Mapping[str, Sequence[Attack]]:
    """Return the attacks by the title of their group."""
    groups = tomllib.loads(text).values()
    return {group.pop("title"): [Attack(int(name[1:]), **entry) for name, entry in group.items()] for group in groups}


def carried(folder: Path) -> Mapping[int, Sequence[str]]:
    """Return the tests of each number, as pytest names them."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        for name, test in _tests(ast.parse(path.read_text()).body):
            for number in sorted(_numbers(test)):
                found[number].append(f"{path.relative_to(folder.parent)}::{name}")
    return found


def _tests(body: Sequence[ast.stmt], above: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for part in body:
        if isinstance(part, ast.ClassDef):
            yield from _tests(part.body, f"{above}{part.name}::")
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and part.name.startswith("test_"):
            yield above + part.name, part


def _numbers(test: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    places = (IN_NAME.match(test.name), IN_DOCSTRING.match(ast.get_docstring(test) or ""))
    return {int(number) for place in places if place for number in NUMBER.findall(place[1])}


def faults(groups: Mapping[str, Sequence[Attack]], tests: Mapping[int, Sequence[str]]) -> list[str]:
    """Return what is wrong: numbers that are missing, twice or unknown, and attacks without a test or a reason."""
    attacks = [attack for group in groups.values() for attack in group]
    numbers = [attack.number for attack in attacks]
    wrong = [] if numbers == list(range(1, len(numbers) + 1)) else ["the numbers are not S1, S2, … without a gap"]
    wrong += [f"{tests[number][0]} carries S{number}, which the catalogue does not know" for number in sorted(set(tests) - set(numbers))]
    return wrong + [
        f"S{attack.number} has no test and no reason: {attack.what}"
        for attack in attacks
        if not (tests.get(attack.number) or attack.absent or attack.owed)
    ]


def page(groups: Mapping[str, Sequence[Attack]], tests: Mapping[int, Sequence[str]]) -> str:
    """Return the page."""
    attacks = [attack for group in groups.values() for attack in group]
    shown = sum(bool(tests.get(attack.number)) for attack in attacks)
    owed = sum(attack.owed is not None for attack in attacks)
    lines = [
        "# Attacks, and the tests that make them",
        "",
        "<!-- Written by `make docs` from security/catalogue.toml and the numbers that tests carry; change those. -->",
        "",
        f"{len(attacks)} attacks that programs of this kind have suffered or standards name. {shown} are made by tests of this tree;",
        f"{len(attacks) - shown - sum(bool(a.owed and not tests.get(a.number)) for a in attacks)} wait for what they are aimed at, and "
        f"{owed} owe a test, in whole or in part. *Not yet there* says what does not exist, *owed* what is not tested.",
        "`make check` fails when one has neither test nor reason.",
    ]
    for title, group in groups.items():
        lines += ["", f"## {title}", "", "| | attack, and what must come of it | tests |", "|---|---|---|"]
        lines += [f"| S{attack.number} | {attack.what} | {_shown(attack, tests.get(attack.number, ()))} |" for attack in group]
    return "\n".join(lines) + "\n"


def _shown(attack: Attack, tests: Sequence[str]) -> str:
    parts = [f"`{test}`" for test in tests]
    if attack.absent:
        parts.append(f"*not yet there:* {attack.absent}")
    if attack.owed:
        parts.append(f"*owed:* {attack.owed}")
    return "<br>".join(parts)


def current() -> tuple[str, list[str]]:
    """Return the page as it should be, and what is wrong with the catalogue."""
    groups, tests = read(SOURCE.read_text()), carried(ROOT / "tests")
    return page(groups, tests), faults(groups, tests)


def write() -> list[Path]:
    """Write the page; returns it where it has changed."""
    text, _ = current()
    PAGE.parent.mkdir(exist_ok=True)
    if PAGE.exists() and PAGE.read_text() == text:
        return []
    PAGE.write_text(text)
    return [PAGE]


def check() -> list[str]:
    """Return what is wrong, also when the page is behind."""
    text, wrong = current()
    behind = not PAGE.exists() or PAGE.read_text() != text
    return wrong + (["docs/security/catalogue.md is behind: `make docs` writes it again"] if behind else [])
