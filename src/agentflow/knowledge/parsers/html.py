"""HTML: what a reader sees, with its headings as sections."""

import re
from typing import Any

from agentflow.knowledge.documents import ParsedDocument, Section
from agentflow.knowledge.parsers.headings import Heading, sections
from agentflow.knowledge.parsers.limits import check_text

_UNSEEN = ["script", "style", "noscript", "template", "head", "svg", "iframe", "object", "select", "button"]
_BLOCKS = frozenset(
    "address article aside blockquote br dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre "
    "section summary table tbody td tfoot th thead tr ul".split()
)
_PARAGRAPHS = frozenset("article blockquote div figure h1 h2 h3 h4 h5 h6 ol p pre section table ul".split())
_HEADING = re.compile(r"h[1-6]")
_SPACE = re.compile(r"\s+")


def parse_html(text: str) -> ParsedDocument:
    """Return the visible text of an HTML page.

    Raises:
        DocumentTooLarge: the text is too long.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(check_text(text).replace("\0", ""))
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

    def add(self, node: Any) -> None:
        """Take in the next node in document order."""
        tag = node.tag
        if tag == "-text":
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
