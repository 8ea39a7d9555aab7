"""Noting when something was used last: beside the work that uses it, and many in one transaction."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from agentflow.errors import AgentFlowError
from agentflow.infra.db.base import Base
from agentflow.infra.db.bulk import BulkUpdate
from agentflow.infra.db.engine import Database

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=1)
"""How exact the time of the last use is."""
PAUSE_S = 1.0
"""Seconds between two transactions: a thousand people who come at once are noted in a few."""


class LastUses:
    """Writes the time of the last use into one column of a table.

    Args:
        database: where the table is.
        rows: what is used; its rows are known by ``id``.
        column: what is written.
    """

    def __init__(self, database: Database, rows: type[Base], column: str) -> None:
        table: Table = rows.__table__  # type: ignore[assignment]  # declarative tables are Tables
        self._database = database
        self._column = column
        self._statement = BulkUpdate(f"use_{table.name}", 0, table, "id", (column,))
        self._noted: dict[str, datetime] = {}
        self._unwritten: dict[str, datetime] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, row_id: str, before: datetime | None, now: datetime) -> None:
        """Note that a row is used; ``before`` is what was read of its last use."""
        last = max(filter(None, (before, self._noted.get(row_id))), default=None)
        if last is not None and now - last < EVERY:
            return
        self._noted[row_id] = self._unwritten[row_id] = now
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write(), name="last-uses")

    async def close(self) -> None:
        """Write what was noted."""
        self._closing.set()
        if self._task is not None:
            await self._task

    async def _write(self) -> None:
        """Write until there is nothing new."""
        while self._unwritten:
            now = max(self._unwritten.values())
            # In order, so that two processes do not wait for each other.
            rows = [{"id": row_id, self._column: at} for row_id, at in sorted(self._unwritten.items())]
            self._unwritten.clear()
            try:
                await self._database.bulk(partial(self._statement.execute, rows=rows))
            except (DBAPIError, AgentFlowError, OSError, TimeoutError) as error:
                log.warning("uses were not noted", count=len(rows), error=str(error))  # no reason to fail anything
            self._noted = {row_id: at for row_id, at in self._noted.items() if now - at < EVERY}
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._closing.wait()
        self._task = None
