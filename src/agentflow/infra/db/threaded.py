"""Sessions that read SQLite, with one hop to a thread for each statement.

The asynchronous driver takes a hop for each call of the driver: begin, cursor, execute, fetch, close, end. Each hop wakes two threads, which
both need the interpreter, and under load both wait for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import CursorResult, Engine
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.pool import NoFreeConnection, measured_wait

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
    async def open(self) -> AsyncIterator[AsyncSession]:
        """Open a session that reads.

        Raises:
            NoFreeConnection: none became free in time.
        """
        with measured_wait():
            await self._take_place()
        session = _ThreadedSession(self._engine, self._threads)
        try:
            yield session
        finally:
            try:
                await session.close()
            finally:
                self._places.release()  # also when whoever reads is cancelled once more

    async def _take_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise NoFreeConnection(f"no connection became free within {self._timeout_s:g} s") from error


class _ThreadedSession(AsyncSession):
    """An ``AsyncSession`` as far as repositories use it."""

    def __init__(self, engine: Engine, threads: Executor) -> None:
        super().__init__(expire_on_commit=False)
        self.sync_session.bind = engine
        self._threads = threads
        self._in_use = Lock()
        self._is_over = False

    async def execute(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement; see ``AsyncSession.execute``."""

        def fetched() -> Any:
            result = self.sync_session.execute(statement, params, execution_options={**(execution_options or {}), **_FETCHED}, **options)
            return _buffered(result)

        return await self._hop(fetched)

    async def scalar(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement and return its first value; see ``AsyncSession.scalar``."""
        return (await self.execute(statement, params, execution_options=execution_options, **options)).scalar()

    async def scalars(self, statement: Any, params: Any = None, *, execution_options: Any = None, **options: Any) -> Any:
        """Run a statement and return its first values; see ``AsyncSession.scalars``."""
        return (await self.execute(statement, params, execution_options=execution_options, **options)).scalars()

    async def close(self) -> None:
        """Give the connection back, when the thread is done with it."""
        if self._in_use.acquire(blocking=False):
            self._end()
            return
        # Whoever waited for the statement was cancelled, and may be again; the thread goes on.
        done = asyncio.get_running_loop().run_in_executor(None, self._in_use.acquire)
        done.add_done_callback(lambda _: self._end())
        await asyncio.shield(done)

    def _end(self) -> None:
        self._is_over = True
        self._in_use.release()
        self.sync_session.close()

    async def _hop(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._alone, work)

    def _alone(self, work: Callable[[], T]) -> T:
        with self._in_use:
            if self._is_over:
                raise ResourceClosedError("the session is over")  # nobody waits for this any more
            return work()


def _buffered(result: Any) -> Any:
    """Fetch what a statement found: a connection whose result is half read could not begin to write, whoever has it next."""
    if isinstance(result, CursorResult) and result.returns_rows:
        result.cursor_strategy = FullyBufferedCursorFetchStrategy(result.cursor)
    return result
