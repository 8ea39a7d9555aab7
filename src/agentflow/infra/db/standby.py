"""A copy of the database that PostgreSQL keeps up to date (a hot standby), and what may be read there."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.kit.tasks import ended

if TYPE_CHECKING:
    from agentflow.infra.db.engine import Database

log = structlog.get_logger(__name__)

LISTS = Counter("agentflow_standby_reads_total", "Lists that were read, by where: standby or primary.", ["place"])
BEHIND = Gauge("agentflow_standby_behind_seconds", "How old the newest state is that the standby is known to have.")

LOOK_S = 0.2
"""Seconds between two looks how far the standby is."""
MOST_BEHIND_S = 1.0
"""A standby that is known to have nothing newer than that is not read."""
REMEMBERED = 50_000
"""Tenants of which is known when they wrote last; with more, everybody counts as having written."""
_WRITTEN = text("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') AS bigint)")
_SHOWN = text("SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= CAST(:written AS bigint)")


class NotAStandby(Exception):
    """The address leads to a server that copies nothing."""


_FAILURES = (DBAPIError, OSError, TimeoutError, NotAStandby)


class Standby:
    """Serves the lists of tenants from the standby, as far as it has what they have written.

    A position in the log of the primary is read, and the standby asked until it has come there: then it shows everything that was
    committed before the question. A tenant whose last change through this process is younger than that reads the primary.

    Args:
        primary: where everything is written.
        database: the standby.
    """

    def __init__(self, primary: "Database", database: "Database") -> None:
        self._primary = primary
        self._database = database
        self._shows = 0.0
        """The moment up to which the standby is known to have everything."""
        self._wrote: dict[str, float] = {}
        self._everybody_wrote = 0.0
        self._answers: bool | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look how far the standby is."""
        self._task = asyncio.create_task(self._look_on(), name="standby")

    async def close(self) -> None:
        """Stop looking, and close every connection."""
        await ended(self._task)
        await self._database.close()

    async def ping(self) -> None:
        """Raise unless the standby answers."""
        await self._has_come_to(0)

    def wrote(self, tenant_id: str) -> None:
        """Note that a tenant may have written something."""
        if len(self._wrote) >= REMEMBERED:
            self._everybody_wrote = time.monotonic()
            self._wrote.clear()
        self._wrote[tenant_id] = time.monotonic()

    def shows(self, tenant_id: str) -> bool:
        """Tell whether the standby may be read for a tenant now."""
        return time.monotonic() - self._shows <= MOST_BEHIND_S and self._wrote.get(tenant_id, self._everybody_wrote) < self._shows

    @asynccontextmanager
    async def reading(self, tenant_id: str) -> AsyncIterator[AsyncSession]:
        """Open a session that only reads, as ``Database.reading`` does, where the tenant's rows may be read now."""
        async with AsyncExitStack() as stack:
            yield await self._open(stack, tenant_id)

    async def _open(self, stack: AsyncExitStack, tenant_id: str) -> AsyncSession:
        if self.shows(tenant_id):
            try:
                session = await stack.enter_async_context(self._database.reading(tenant_id))
            except _FAILURES as error:
                self._lose(error)
            else:
                LISTS.labels("standby").inc()
                return session
        LISTS.labels("primary").inc()
        return await stack.enter_async_context(self._primary.reading(tenant_id))

    async def _look_on(self) -> None:
        while True:
            try:
                await self._look()
            except _FAILURES as error:
                self._lose(error)
            except Exception:
                log.exception("the standby could not be looked at")
            BEHIND.set(time.monotonic() - self._shows)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        begin = time.monotonic()
        written = await self._primary.read_one(_WRITTEN)
        assert written is not None  # noqa: S101 - a function has one row
        while not await self._has_come_to(written[0]):
            BEHIND.set(time.monotonic() - self._shows)
            await asyncio.sleep(LOOK_S / 10)
        if not self._answers:
            log.info("lists are read from the standby")
        self._answers = True
        self._shows = begin
        self._wrote = {tenant_id: at for tenant_id, at in self._wrote.items() if at >= begin}

    async def _has_come_to(self, written: int) -> bool:
        shown = await self._database.read_one(_SHOWN, {"written": written})
        if shown is None or shown[0] is None:
            raise NotAStandby("it replays no log of another server")
        return bool(shown[0])

    def _lose(self, error: Exception) -> None:
        if self._answers is not False:
            log.warning("the standby cannot be read: lists come from the primary until it can", error=str(error))
        self._answers = False
        self._shows = 0.0
