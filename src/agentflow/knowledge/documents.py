"""A document as text with structure, whatever file it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentflow.errors import AgentFlowError, Kind


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text under one heading.

    Attributes:
        start: offset of its first character, after the heading itself.
        end: offset after its last.
        heading: the heading with those above it, outermost first, as ``Guide > Setup``; empty before the first.
    """

    start: int
    end: int
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page's stretch of text; ``number`` counts from 1."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """Text and structure of a document.

    Attributes:
        text: all of it; free of NUL and lone surrogates.
        sections: in order, not overlapping; empty when the format has no headings.
        pages: in order; empty when the format has no pages.
        metadata: what the file says of itself, such as ``title`` and ``author``.
    """

    text: str
    sections: tuple[Section, ...] = ()
    pages: tuple[Page, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


class UnsupportedDocument(AgentFlowError):
    """The file's type is none that we read."""

    kind, code, title = Kind.UNSUPPORTED, "UNSUPPORTED_DOCUMENT", "Unsupported document"


class InvalidDocument(AgentFlowError):
    """The file is broken, encrypted, or not what its type says."""

    kind, code, title = Kind.INVALID, "INVALID_DOCUMENT", "Document cannot be read"


class DocumentTooLarge(AgentFlowError):
    """The file, its text or its number of pages passes a limit; the message names it."""

    kind, code, title = Kind.TOO_LARGE, "DOCUMENT_TOO_LARGE", "Document too large"
