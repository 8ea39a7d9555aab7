"""How large a document may be."""

from agentflow.knowledge.documents import DocumentTooLarge

MAX_DOCUMENT_BYTES = 50_000_000
MAX_TEXT_CHARACTERS = 10_000_000
MAX_PAGES = 5_000
PARSE_TIMEOUT_S = 60.0


def check_size(data: bytes) -> None:
    """Raise DocumentTooLarge when a file is larger than ``MAX_DOCUMENT_BYTES``."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentTooLarge(
            f"The document has {len(data)} bytes; {MAX_DOCUMENT_BYTES} are allowed.", hint="Split it into smaller files."
        )


def check_text(text: str) -> str:
    """Return ``text``; raise DocumentTooLarge when it is longer than ``MAX_TEXT_CHARACTERS``."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise DocumentTooLarge(
            f"The document's text has {len(text)} characters; {MAX_TEXT_CHARACTERS} are allowed.", hint="Split it into smaller files."
        )
    return text
