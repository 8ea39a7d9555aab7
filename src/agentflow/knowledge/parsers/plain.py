"""Plain text: finding out its encoding."""

import codecs
import re

from agentflow.knowledge.documents import InvalidDocument, ParsedDocument
from agentflow.knowledge.parsers.limits import check_text

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT_ENCODING = re.compile(r"[A-Za-z0-9_.:-]{1,40}")


def decode(data: bytes, charset: str | None = None) -> str:
    """Return the text of bytes: by byte order mark, else by ``charset``, else as UTF-8, else as Windows-1252.

    Line ends become LF.

    Raises:
        InvalidDocument: the charset is unknown or does not fit, or the bytes are no text.
        DocumentTooLarge: the text is too long.
    """
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    text = _decode(data, marked or charset)
    if "\0" in text:
        raise InvalidDocument("The document is not text: it holds NUL characters.", hint="Say its content_type, or send a text file.")
    return check_text(text.replace("\r\n", "\n").replace("\r", "\n"))


def _decode(data: bytes, encoding: str | None) -> str:
    if encoding is None:
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("cp1252", errors="replace")
    try:
        if not _TEXT_ENCODING.fullmatch(encoding) or not codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001 - as bytes.decode asks it
            raise LookupError(encoding)
        text = data.decode(encoding)
        text.encode()  # UTF-7 and UTF-16 can bring lone surrogates in
    except LookupError as error:
        raise InvalidDocument(f"There is no text encoding {encoding[:40]!r}.", hint="Send UTF-8.") from error
    except UnicodeError as error:
        raise InvalidDocument(f"The document is not valid {encoding}.", hint="Send UTF-8, or name the right charset.") from error
    return text


def parse_text(text: str) -> ParsedDocument:
    """Return a plain text as a document without structure."""
    return ParsedDocument(check_text(text))
