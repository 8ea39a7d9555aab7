"""Cutting a document into pieces that an embedding model can read: by section, then by paragraph, line, sentence or word."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agentflow.knowledge.documents import Page, ParsedDocument, Section

DEFAULT_CHUNK_SIZE = 800
"""Characters; about 200 tokens of English, so that a chunk with its heading fits what MiniLM reads."""
DEFAULT_CHUNK_OVERLAP = 100
_BREAKS = (re.compile(r"\n\n"), re.compile(r"[.!?][\"')\]`*_]*\s"), re.compile(r"\n"), re.compile(r" "))
"""Where a chunk may end, the best first: after a paragraph, a sentence, a line, a word."""
_PARAGRAPH, _SENTENCE = _BREAKS[:2]
_SPACE = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document.

    Attributes:
        text: exactly the document's text between ``start`` and ``end``; begins and ends with no white space.
        heading: the heading it stands under; empty when there is none.
        page: the page it begins on; None when the document has no pages.
    """

    text: str
    start: int
    end: int
    heading: str = ""
    page: int | None = None


def chunk(document: ParsedDocument, size: int = DEFAULT_CHUNK_SIZE, overlap: int = DEFAULT_CHUNK_OVERLAP) -> list[Chunk]:
    """Cut a document into chunks of at most ``size`` characters.

    Chunks never cross a heading. Neighbours inside a section share up to ``overlap`` characters, so that a sentence at a cut
    is whole in one of them. Every visible character of every section is in some chunk.
    """
    text, chunks = document.text, []
    for section in document.sections or (Section(0, len(text)),):
        for start, end in _windows(text, section, size, min(overlap, size // 2)):
            chunks.append(Chunk(text[start:end], start, end, section.heading, _page(document.pages, start)))
    return chunks


def _windows(text: str, section: Section, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    start = _skip_space(text, section.start, section.end)
    while start < section.end:
        end = _cut(text, start, section.end, size)
        shown = start + len(text[start:end].rstrip())
        yield start, shown
        if end >= section.end:
            return
        # At least a quarter further each time: an overlap near the size of a chunk must not make thousands of chunks.
        start = _skip_space(text, max(_shared(text, end - overlap, end), start + size // 4), section.end)


def _cut(text: str, start: int, limit: int, size: int) -> int:
    """Return where a chunk from ``start`` ends: at the best break in its second half, else in the middle of a word."""
    end = start + size
    if end >= limit:
        return limit
    for mark in _BREAKS:
        found = list(mark.finditer(text, start + size // 2, end))
        if found:
            return found[-1].end()
    return end


def _shared(text: str, position: int, end: int) -> int:
    """Return where a chunk begins that follows one up to ``end`` and may share what is behind ``position``.

    That is the first start of a sentence; where none is near, the first start of a word.
    """
    for mark in (_PARAGRAPH, _SENTENCE):
        found = mark.search(text, position, end)
        if found:
            return found.end()
    if position >= end or text[position - 1].isspace():
        return position
    found = _SPACE.search(text, position, end)
    return found.end() if found else end


def _skip_space(text: str, position: int, end: int) -> int:
    while position < end and text[position].isspace():
        position += 1
    return position


def _page(pages: Sequence[Page], position: int) -> int | None:
    index = bisect_right(pages, position, key=lambda page: page.start)
    return pages[index - 1].number if index else None
