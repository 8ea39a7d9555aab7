"""The fenced blocks of the hand-written documentation."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    ``sh`` is executed, ``shell`` is for a person at a fresh machine or a second terminal: its commands must exist. ``json`` must be valid.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return the pages that people write; the reference is written from the code."""
    pages = [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "reference" not in page.parts)]
    return sorted(pages)


def blocks(language: str) -> list[Block]:
    """Return all blocks of a language, in order."""
    found = []
    for page in pages():
        text = page.read_text()
        found += [
            Block(page, text[: match.start()].count("\n") + 1, language, match[2]) for match in FENCE.finditer(text) if match[1] == language
        ]
    return found
