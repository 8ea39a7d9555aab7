"""HTML: what a reader sees, with its headings as sections."""

import asyncio
import re
from typing import Any

from agentflow.knowledge.documents import ParsedDocument, Section
from agentflow.knowledge.parsers.headings import Heading, sections
from agentflow.knowledge.parsers.isolated import read_isolated
from agentflow.knowledge.parsers.limits import PARSE_TIMEOUT_S, check_text

_UNSEEN = ["script", "style", "noscript", "template", "head", "svg", "iframe", "object", "select", "button"]
_BLOCKS = frozenset(
    """address article aside blockquote br dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr
    li main nav ol p pre section summary table tbody td tfoot th thead tr ul""".split()  # noqa: SIM905 - reads as the list it is
)
_PARAGRAPHS = frozenset("article blockquote div figure h1 h2 h3 h4 h5 h6 ol p pre section table ul".split())  # noqa: SIM905 - as above
QUICK_CHARACTERS = 50_000
"""Pages up to this are read in this process: nested as deep as they go, they take a tenth of a second."""
_HEADING = re.compile(r"h[1-6]")
_MAX_CLIMB = 30
"""Inline elements looked through; deeper nesting is no text for readers, and must not cost the square of its depth."""
_SPACE = re.compile(r"\s+")


async def parse_html(text: str, *, timeout_s: float = PARSE_TIMEOUT_S) -> ParsedDocument:
    """Return the visible text of an HTML page.

    Raises:
        InvalidDocument: reading it takes too long or too much memory.
        DocumentTooLarge: the text is too long.
    """
    if len(check_text(text)) <= QUICK_CHARACTERS:
        return await asyncio.to_thread(read_html, text)
    answer = await read_isolated("html", text.encode(), timeout_s)
    return ParsedDocument(answer["text"], tuple(Section(**section) for section in answer["sections"]), metadata=answer["metadata"])


def read_html(text: str) -> ParsedDocument:
    """Return the visible text of an HTML page; blocks for the square of its depth, which may be its length."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    name = _SPACE.sub(" ", title.text(deep=True)).strip() if title is not None else ""
    language = (tree.root.attributes.get("lang") if tree.root is not None else None) or ""
    tree.strip_tags(_UNSEEN)
    writer = _Writer()
    if tree.body is not None:
        for node in tree.body.traverse(include_text=True):
            writer.add(node)
    shown = writer.text()
    found = sections(shown, writer.headings) or (Section(0, len(shown)),)
    facts = {"title": name, "language": language.strip()}
    return ParsedDocument(shown, found, metadata={key: value for key, value in facts.items() if value})


class _Writer:
    """Collects text, with one space between words, one line a block, an empty line between paragraphs."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._parts: list[str] = []
        self._length = 0
        self._gap = ""
        self._block = 0

    def add(self, node: Any) -> None:
        """Take in the next node in document order."""
        tag = node.tag
        if tag == "-text":
            block = _block(node)
            if block != self._block:  # a block ended: the walk tells only of beginnings
                self._break("\n")
                self._block = block
            self._write(node.text(deep=False))
        elif _HEADING.fullmatch(tag):
            self._break("\n\n")
            title = _SPACE.sub(" ", node.text(deep=True)).strip()
            start = self._length + len(self._gap if self._parts else "")
            self.headings.append(Heading(int(tag[1]), title, start, start + len(title)))
        elif tag in _BLOCKS:
            self._break("\n\n" if tag in _PARAGRAPHS else "\n")

    def _break(self, gap: str) -> None:
        if len(gap) > len(self._gap.strip(" ")):
            self._gap = gap

    def _write(self, text: str) -> None:
        words = _SPACE.sub(" ", text)
        if words.startswith(" ") and not self._gap:
            self._gap = " "
        stripped = words.strip()
        if not stripped:
            return
        if not self._parts:
            self._gap = ""
        self._parts.append(self._gap + stripped)
        self._length += len(self._gap) + len(stripped)
        self._gap = " " if words.endswith(" ") else ""

    def text(self) -> str:
        """Return all that was written."""
        return "".join(self._parts)


def _block(node: Any) -> int:
    """Return the identity of the nearest block around a text; of the outermost looked at when there is none near."""
    parent = node.parent
    for _ in range(_MAX_CLIMB):
        if parent is None or parent.tag in _BLOCKS or parent.parent is None:
            break
        parent = parent.parent
    return 0 if parent is None else int(parent.mem_id)
