"""Identifiers: UUIDv7 (RFC 9562), sortable by the time they were made."""

import uuid

from uuid_utils import uuid7


def new_id() -> str:
    """Return a new UUIDv7 in its canonical, lower-case, 36-character form."""
    return str(uuid7())


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a canonical UUID of any version."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
