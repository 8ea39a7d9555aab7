"""One page of rows in the order of one unique column."""

from typing import Any

from sqlalchemy import Select, func
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Malformed
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor

_AGAIN = "Leave the cursor away to start from the beginning."


async def page_by(session: AsyncSession, query: Select[Any], column: Any, page: PageRequest, *, newest_first: bool = False) -> Page[Any]:
    """Return one page of a query over one table, ordered by ``column``, whose values are unique texts in it.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    field, _, direction = (page.sort or f"{column.key}:{'desc' if newest_first else 'asc'}").partition(":")
    if field != column.key or direction not in ("", "asc", "desc"):
        raise Malformed(f"This list cannot be sorted by {page.sort}.", hint=f"Sort by {column.key}:asc or {column.key}:desc.")
    total = await session.scalar(query.with_only_columns(func.count())) if page.count else None
    ordered = query.order_by(column.desc() if direction == "desc" else column)
    if page.cursor:
        last = _last(page.cursor, column.key)
        ordered = ordered.where(column < last if direction == "desc" else column > last)
    elif page.page > 1:
        ordered = ordered.offset((page.page - 1) * page.limit)
    rows = list((await session.execute(ordered.limit(page.limit + 1))).scalars().all())
    more = len(rows) > page.limit
    rows = rows[: page.limit]
    return Page(rows, encode_cursor([column.key, getattr(rows[-1], column.key)]) if more else None, total)


def _last(cursor: str, made_for: str) -> str:
    try:
        kind, last = decode_cursor(cursor, 2)
    except InvalidCursor as error:
        raise Malformed(str(error), hint=_AGAIN) from error
    if kind != made_for or not isinstance(last, str):
        raise Malformed("The cursor belongs to another list or order.", hint=_AGAIN)
    return last
