"""Markdown: its text as it stands, its headings as sections."""

import re

from agentflow.knowledge.documents import ParsedDocument, Section
from agentflow.knowledge.parsers.headings import Heading, sections
from agentflow.knowledge.parsers.limits import check_text

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*))?$")
_CLOSING = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def parse_markdown(text: str) -> ParsedDocument:
    """Return a Markdown text with its sections; the first heading of level 1 is the title.

    Raises:
        DocumentTooLarge: the text is too long.
    """
    headings = _headings(check_text(text))
    title = next((heading.title for heading in headings if heading.level == 1), None)
    found = sections(text, headings) or (Section(0, len(text)),)  # headings only: then they are the text
    return ParsedDocument(text, found, metadata={"title": title} if title else {})


def _headings(text: str) -> list[Heading]:
    """Find ATX headings outside fenced code; underlined headings are rare and too like tables and rules."""
    headings, fence, position = [], "", 0
    for line in text.splitlines(keepends=True):
        opened = _FENCE.match(line)
        if opened and not fence:
            fence = opened[1]
        elif opened and opened[1].startswith(fence) and not line[opened.end() :].strip():
            fence = ""
        elif not fence and (found := _HEADING.match(line.rstrip())):
            title = _CLOSING.sub("", found[2] or "").strip()
            headings.append(Heading(len(found[1]), title, position, position + len(line)))
        position += len(line)
    return headings
