"""Sessions on SQLite that take one hop to a thread for each statement.

The asynchronous driver takes a hop for each call of the driver: begin, cursor, execute, fetch, close, end. Each hop wakes two threads, which
both need the interpreter, and under load both wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, wait
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.pool import measured_wait

T = TypeVar("T")

# As AsyncSession has it: what a result holds was fetched before it is returned.
_FETCHED = {"prebuffer_rows": True}


class ThreadedSessions:
    """Gives sessions, so many at a time.

    Args:
        engine: a synchronous engine of a database in a file.
        threads: where statements run.
        most: sessions at a time.
        timeout_s: seconds to wait for one.
    """

    def __init__(self, engine: Engine, threads: Executor, most: int, timeout_s: float) -> None:
        self._engine = engine
        self._threads = threads
        self._places = asyncio.Semaphore(most)
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def open(self, *, commits: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session in one transaction; what it changed is kept with ``commits``, unless an error leaves the block.

        Raises:
            sqlalchemy.exc.TimeoutError: none became free in time.
        """
        with measured_wait():
            await self._take_place()
        session = _ThreadedSession(self._engine, self._threads)
        try:
            yield session
            if commits:
                await session.commit()
        finally:
            await session.close()
            self._places.release()

    async def _take_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise PoolTimeout(f"no connection became free within {self._timeout_s:g} s") from error


class _ThreadedSession(AsyncSession):
    """An ``AsyncSession`` as far as repositories use it."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        super().__init__(expire_on_commit=False)
        self.sync_session.bind = engine
        self._threads = threads
        self._last: Future[Any] | None = None

    async def execute(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement; see ``AsyncSession.execute``."""
        return await self._hop(
            lambda: self.sync_session.execute(statement, params, execution_options={**(execution_options or {}), **_FETCHED}, **options)
        )

    async def scalar(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement and return its first value; see ``AsyncSession.scalar``."""
        return (await self.execute(statement, params, execution_options=execution_options, **options)).scalar()

    async def scalars(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement and return its first values; see ``AsyncSession.scalars``."""
        return (await self.execute(statement, params, execution_options=execution_options, **options)).scalars()

    async def commit(self) -> None:
        """Make what was changed durable."""
        await self._hop(self.sync_session.commit)

    async def close(self) -> None:
        """Undo what was not committed, and give the connection back, when the thread is done with it."""
        if self._last is not None and not self._last.done():
            # Whoever waited for the statement was cancelled; the thread goes on.
            await asyncio.shield(asyncio.to_thread(wait, [self._last]))
        self.sync_session.close()

    async def _hop(self, work: Callable[[], T]) -> T:
        self._last = self._threads.submit(work)
        return await asyncio.wrap_future(self._last)
