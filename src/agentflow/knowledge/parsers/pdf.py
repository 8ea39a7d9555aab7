"""PDF: text page by page."""

from collections.abc import Mapping
from typing import Any

from agentflow.knowledge.documents import InvalidDocument, Page, ParsedDocument
from agentflow.knowledge.parsers.isolated import read_isolated
from agentflow.knowledge.parsers.limits import PARSE_TIMEOUT_S


async def parse_pdf(data: bytes, *, timeout_s: float = PARSE_TIMEOUT_S) -> ParsedDocument:
    """Return the text of a PDF file with its pages.

    Raises:
        InvalidDocument: the file is broken, encrypted, holds no text, or takes too long or too much memory.
        DocumentTooLarge: it has too many pages or too much text.
    """
    if b"%PDF-" not in data[:1024]:
        raise InvalidDocument("The file is no PDF document.", hint="Check its content_type.")
    answer = await read_isolated("pdf", data, timeout_s)
    return _document(answer["pages"], answer["metadata"])


def _document(texts: list[str], metadata: Mapping[str, Any]) -> ParsedDocument:
    pages, position = [], 0
    for number, text in enumerate(texts, start=1):
        pages.append(Page(number, position, position + len(text)))
        position += len(text) + 2
    whole = "\n\n".join(texts)
    if not whole.strip():
        raise InvalidDocument("The PDF file holds no text.", hint="It may be scanned: run it through text recognition first.")
    return ParsedDocument(whole, pages=tuple(pages), metadata={**metadata, "page_count": len(pages)})
