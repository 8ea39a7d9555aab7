"""Pages of a list, by cursor."""

import base64
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agentflow.kit import json

T = TypeVar("T")


class InvalidCursor(ValueError):
    """The cursor was not made by this server, or for another list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list.

    Attributes:
        items: the items, in the order asked for.
        next_cursor: opaque mark of where the next page begins; None at the end.
        total: how many there are in all; None unless asked for.
    """

    items: list[T]
    next_cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for.

    Attributes:
        limit: most items to return, 1 to 200.
        cursor: ``next_cursor`` of the page before; wins over ``page``.
        page: number of the page, from 1, for clients that count pages.
        sort: ``field`` or ``field:asc`` or ``field:desc``; None for the list's own order.
        count: whether to count all items too.
    """

    limit: int = 50
    cursor: str | None = None
    page: int = 1
    sort: str | None = None
    count: bool = False


def encode_cursor(values: list[Any]) -> str:
    """Return an opaque cursor of the sort values of the last item."""
    return base64.urlsafe_b64encode(json.dump_bytes(values)).decode().rstrip("=")


def decode_cursor(cursor: str, length: int) -> list[Any]:
    """Return the values of a cursor.

    Raises:
        InvalidCursor: it was not made by ``encode_cursor`` with ``length`` values.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidCursor("The cursor is not one this server gave out.") from error
    if not isinstance(values, list) or len(values) != length:
        raise InvalidCursor("The cursor belongs to another list or order.")
    return values
