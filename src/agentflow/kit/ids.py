"""Identifiers: UUIDv7 (RFC 9562), sortable by the time they were made."""

import uuid
from datetime import datetime

from uuid_utils import uuid7


def new_id() -> str:
    """Return a new UUIDv7 in its canonical, lower-case, 36-character form."""
    return str(uuid7())


def first_id(moment: datetime) -> str:
    """Return the smallest UUIDv7 of a moment: ids made before it are smaller, those made from it on are not."""
    milliseconds = max(int(moment.timestamp() * 1000), 0)
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0b10 << 62))


def is_id(text: str) -> bool:
    """Tell whether ``text`` is a canonical UUID of any version."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
