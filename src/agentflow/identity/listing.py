"""Pages of small lists, ordered by one column."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from agentflow.errors import Malformed
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor


async def page_of(
    session: AsyncSession, query: Select[Any], columns: Mapping[str, InstrumentedAttribute[Any]], page: PageRequest
) -> Page[Any]:
    """Return one page of a query's rows.

    Args:
        session: an open session.
        query: what to list; its rows have every column of ``columns``.
        columns: by which texts or ids the list may be sorted, each unique in the list; the first is the list's own order.
        page: which part is asked for.

    Raises:
        Malformed: the list cannot be sorted so, or the cursor is of another list.
    """
    field, _, direction = (page.sort or next(iter(columns))).partition(":")
    column, falls = columns[field], direction == "desc"
    total = await session.scalar(query.with_only_columns(func.count())) if page.count else None
    ordered = query.order_by(column.desc() if falls else column)
    if page.cursor:
        last = _last(page.cursor, field)
        ordered = ordered.where(column < last if falls else column > last)
    elif page.page > 1:
        ordered = ordered.offset((page.page - 1) * page.limit)
    rows = list((await session.execute(ordered.limit(page.limit + 1))).all())
    more, rows = len(rows) > page.limit, rows[: page.limit]
    return Page(rows, encode_cursor([field, getattr(rows[-1], column.key)]) if more else None, total)


def _last(cursor: str, made_for: str) -> str:
    hint = "Leave the cursor away to start from the beginning."
    try:
        field, last = decode_cursor(cursor, 2)
    except InvalidCursor as error:
        raise Malformed(str(error), hint=hint) from error
    if field != made_for or not isinstance(last, str):
        raise Malformed("The cursor belongs to another list or order.", hint=hint)
    return last
