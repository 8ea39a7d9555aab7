"""One door to all parsers: a table from content type to parser."""

import asyncio
import mimetypes
from collections.abc import Callable, Mapping

from agentflow.knowledge.documents import ParsedDocument, UnsupportedDocument
from agentflow.knowledge.parsers.csv import parse_csv
from agentflow.knowledge.parsers.html import parse_html
from agentflow.knowledge.parsers.limits import check_size
from agentflow.knowledge.parsers.markdown import parse_markdown
from agentflow.knowledge.parsers.pdf import parse_pdf
from agentflow.knowledge.parsers.plain import decode, parse_text

PDF = "application/pdf"
HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT_PARSERS: Mapping[str, Callable[[str], ParsedDocument]] = {
    "text/plain": parse_text,
    "text/markdown": parse_markdown,
    "text/csv": parse_csv,
    "application/json": parse_text,
}
SUPPORTED = (*_TEXT_PARSERS, *sorted(HTML), PDF)
_EXTENSIONS = {".md": "text/markdown", ".markdown": "text/markdown", ".csv": "text/csv", ".pdf": PDF}
"""Where the machine's own table differs from one system to the next."""
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded"})


def content_type(declared: str | None, filename: str | None, data: bytes = b"") -> tuple[str, str | None]:
    """Return media type and charset: as declared, unless that says nothing; else by the file's name; else by its first bytes."""
    media_type, _, parameters = (declared or "").partition(";")
    media_type = media_type.strip().lower()
    charset = next(
        (
            value.strip().strip('"')
            for name, _, value in (item.partition("=") for item in parameters.split(";"))
            if name.strip().lower() == "charset"
        ),
        None,
    )
    if media_type not in _UNKNOWN and not (media_type == "text/plain" and by_name(filename)):
        return media_type, charset
    return by_name(filename) or (PDF if data[:1024].lstrip().startswith(b"%PDF-") else "text/plain"), charset


def by_name(filename: str | None) -> str | None:
    """Return the media type that a file's extension says, or None."""
    if not filename or "." not in filename:
        return None
    extension = "." + filename.rsplit(".", 1)[1].lower()
    return _EXTENSIONS.get(extension) or mimetypes.types_map.get(extension)


async def parse(data: bytes, media_type: str, charset: str | None = None) -> ParsedDocument:
    """Return the text and structure of a file.

    Raises:
        UnsupportedDocument: no parser reads ``media_type``.
        InvalidDocument: the file is broken or not what its type says.
        DocumentTooLarge: it passes a limit.
    """
    check_size(data)
    if media_type == PDF:
        return await parse_pdf(data)
    check_type(media_type)
    return await parse_as_text(await asyncio.to_thread(decode, data, charset), media_type)


async def parse_as_text(text: str, media_type: str) -> ParsedDocument:
    """Return the structure of a text of one of the text formats; raises as ``parse``."""
    check_type(media_type)
    if media_type in HTML:
        return await parse_html(text)
    return await asyncio.to_thread(_TEXT_PARSERS.get(media_type, parse_text), text)


def check_type(media_type: str) -> None:
    """Raise UnsupportedDocument unless some parser reads ``media_type``; any ``text/…`` that none knows is read as plain text."""
    if media_type not in SUPPORTED and not media_type.startswith("text/"):
        raise UnsupportedDocument(f"Documents of type {media_type[:100]} cannot be read.", hint=f"Send one of: {', '.join(SUPPORTED)}.")
