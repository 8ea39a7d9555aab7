"""One database handle per process: engine, sessions and the one-writer rule of SQLite."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import orjson
import structlog
from sqlalchemy import Connection, Engine, Executable, Row, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.db.as_tenant import reading_as
from agentflow.infra.db.at_once import QuickReads
from agentflow.infra.db.bulk import PREPARED
from agentflow.infra.db.driver_url import for_driver
from agentflow.infra.db.ending import EndingConnection
from agentflow.infra.db.failures import is_busy, is_conflict
from agentflow.infra.db.liveness import replace_dead_connections
from agentflow.infra.db.lookup import DriverReads, Lookup
from agentflow.infra.db.lost import end_process_on_lost_write
from agentflow.infra.db.pool import MeasuredPool, MeasuredThreadPool
from agentflow.infra.db.repository import UnscopedQuery
from agentflow.infra.db.row_security import AS_TENANT
from agentflow.infra.db.standby import Standby
from agentflow.infra.db.threaded import ThreadedSessions
from agentflow.infra.db.trouble import give_up_what_hangs, tell_damage

log = structlog.get_logger(__name__)

T = TypeVar("T")
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}

_BUSY_MS = 10_000
"""Longest that SQLite waits for another process that writes."""

_BULK_TRIES = 4
_LONGEST_PAUSE_S = 0.05
"""Longest pause before a transaction that another one got in the way of is tried again."""

_POOL_WAIT_S = 5
"""Seconds to wait for a connection that is free."""
_OWN_THREADS = 3
"""Connections that the reading threads and the writing one need besides those of sessions."""

_CONNECT_S = 10
"""Seconds that making a connection to PostgreSQL may take."""

_FROZEN_MS = 5_000
"""Longest that PostgreSQL waits for the next statement of a transaction: a process that is frozen within one would keep its locks, and
nobody could take over its runs."""

_JOINED: ContextVar[tuple["Database", asyncio.Task[Any] | None, AsyncSession] | None] = ContextVar("agentflow_joined", default=None)
"""The transaction that those of this task are part of. The task is named, for tasks that it begins inherit what stands here."""


class UnsupportedDatabase(AgentFlowError):
    """The database URL names a database that cannot hold our data."""

    kind, code, title = Kind.INVALID, "UNSUPPORTED_DATABASE", "Unsupported database"


def database_url(text: str) -> URL:
    """Parse a database URL and choose the asynchronous driver.

    Raises:
        UnsupportedDatabase: the URL is malformed or names neither SQLite nor PostgreSQL.
    """
    try:
        url = make_url(text)
        driver = _DRIVERS[url.get_backend_name()]
    except (KeyError, ValueError) as error:
        raise UnsupportedDatabase("The database URL must begin with sqlite:// or postgresql://.") from error
    except Exception as error:
        raise UnsupportedDatabase("The database URL cannot be read.", hint="Write postgresql://user:password@host:5432/name.") from error
    return url.set(drivername=driver)


class Database:
    """The control database of one process.

    SQLite has one writer: every writing transaction of the process passes ``_writer``, so that none ever waits inside SQLite
    with a lock held, and "database is locked" can come only from another process (waited for up to ten seconds).

    Args:
        url: which database.
        pool_size: most connections.
        timeout_s: seconds that PostgreSQL may take for a statement before its connection counts as lost; None for ever.
    """

    def __init__(self, url: str, *, pool_size: int = 8, timeout_s: float | None = None) -> None:
        self.url = database_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.standby: Standby | None = None
        """Where lists may be read, too."""
        self.damage: str | None = None
        """What SQLite said when a statement met a damaged file, or None."""
        self.engine = self._engine(pool_size, timeout_s)
        self._write_engine = self.engine.execution_options(writes=True)
        # Else each statement of PostgreSQL would see what others committed since the one before.
        self._snapshots = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._single_engine = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._sessions = async_sessionmaker(self._snapshots, expire_on_commit=False)
        self._write_sessions = async_sessionmaker(self._write_engine, expire_on_commit=False)
        self._writer = asyncio.Lock() if self.is_sqlite else None
        self._bulk_engine = self._thread_engine(pool_size) if self.is_sqlite else None
        self._bulk_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._at_once = QuickReads(self._thread_engine(1, waits=False)) if self.is_sqlite else None
        self._read_threads = ThreadPoolExecutor(2, thread_name_prefix="sqlite-reader")
        self._driver_reads = None if self.is_sqlite else DriverReads(self.engine)
        self._threaded_reads = None
        if self._bulk_engine is not None:
            reads = self._bulk_engine.execution_options(writes=False)
            self._threaded_reads = ThreadedSessions(reads, self._read_threads, pool_size, _POOL_WAIT_S)

    def _engine(self, pool_size: int, timeout_s: float | None) -> AsyncEngine:
        if not self.is_sqlite:
            url, asked = for_driver(self.url)
            engine = create_async_engine(
                url,
                poolclass=MeasuredPool,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=_POOL_WAIT_S,
                json_deserializer=orjson.loads,
                hide_parameters=True,  # errors go to the log: what users sent must not
                connect_args={
                    **asked,
                    "timeout": _CONNECT_S,
                    "command_timeout": timeout_s,
                    "server_settings": {"idle_in_transaction_session_timeout": str(_FROZEN_MS)},
                },
            )
            give_up_what_hangs(engine.sync_engine)
            replace_dead_connections(engine.sync_engine)
            return engine
        if not self.url.database or self.url.database == ":memory:":
            raise UnsupportedDatabase("A SQLite database in memory would lose every run.", hint="Write sqlite:///path/to/file.db.")
        folder = Path(self.url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnsupportedDatabase(f"The folder {folder} cannot be made: {error.strerror}.", hint="Name another file.") from error
        engine = create_async_engine(
            self.url,
            poolclass=MeasuredPool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=_POOL_WAIT_S,
            hide_parameters=True,
            connect_args={"factory": EndingConnection},
        )
        _as_sqlite(engine.sync_engine)
        tell_damage(engine.sync_engine, self._note_damage)
        return engine

    def _note_damage(self, words: str) -> None:
        if self.damage is None:
            log.error("the database is damaged", path=self.url.database, error=words)
        self.damage = words

    @asynccontextmanager
    async def patient(self) -> AsyncIterator["Database"]:
        """Open a handle on the same database whose statements may take as long as they need: for changes of the schema."""
        if self.is_sqlite:
            yield self
            return
        handle = Database(self.url.render_as_string(hide_password=False), pool_size=1)
        try:
            yield handle
        finally:
            await handle.close()

    def _thread_engine(self, pool_size: int, *, waits: bool = True) -> Engine:
        engine = create_engine(
            self.url.set(drivername="sqlite+pysqlite"),
            execution_options={"writes": True},
            hide_parameters=True,
            connect_args={"cached_statements": PREPARED, "factory": EndingConnection},
            poolclass=MeasuredThreadPool,
            pool_size=pool_size,
            max_overflow=_OWN_THREADS,
        )
        _as_sqlite(engine, waits=waits)
        tell_damage(engine, self._note_damage)
        return engine

    @asynccontextmanager
    async def transaction(self, tenant_id: str | None = None) -> AsyncIterator[AsyncSession]:
        """Open a session for writing; commits at the end, rolls back on any error. Hold it for no longer than its statements take.

        Args:
            tenant_id: on whose behalf; PostgreSQL then shows and takes rows of this tenant only. None for what the server does for all.
        """
        joined = _JOINED.get()
        if joined is not None and joined[:2] == (self, asyncio.current_task()):
            await self._narrow(joined[2], tenant_id)
            yield joined[2]
            return
        async with self._write_turn(), self._write_sessions() as session, session.begin():
            await self._narrow(session, tenant_id)
            yield session

    @contextmanager
    def joined(self, session: AsyncSession) -> Iterator[None]:
        """Let the transactions that this task opens meanwhile be part of the one that ``session`` is in: they commit with it, or not at all."""
        before = _JOINED.set((self, asyncio.current_task(), session))
        try:
            yield
        finally:
            _JOINED.reset(before)

    async def _narrow(self, session: AsyncSession, tenant_id: str | None) -> None:
        _named(tenant_id)
        if tenant_id is not None and not self.is_sqlite:
            await session.execute(AS_TENANT, {"tenant": tenant_id})

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """Open a bare connection for writing, for bulk statements; commits at the end, rolls back on any error."""
        async with self._write_turn(), self._write_engine.begin() as connection:
            yield connection

    async def bulk(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one writing transaction and return its result; commits unless it raises.

        ``work`` must do the same when it is called again: PostgreSQL undoes one of two transactions that wait for each other, which may
        then succeed. On SQLite all of it happens in the writer's thread: one hop instead of one a statement, and the event loop goes on
        meanwhile.
        """
        if self._bulk_engine is None:
            return await self._until_undisturbed(work)
        async with self._write_turn():
            return await asyncio.get_running_loop().run_in_executor(self._bulk_thread, self._in_thread, work)

    async def _until_undisturbed(self, work: Callable[[Connection], T]) -> T:
        for _ in range(_BULK_TRIES - 1):
            try:
                async with self.connection() as connection:
                    return await connection.run_sync(work)
            except DBAPIError as error:
                if not is_conflict(error):
                    raise
                log.info("another transaction was in the way; trying again", error=str(error.orig))
            # At random, so that those who met do not meet again.
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE_S))  # noqa: S311 - a pause is no secret
        async with self.connection() as connection:
            return await connection.run_sync(work)

    def _in_thread(self, work: Callable[[Connection], T]) -> T:
        assert self._bulk_engine is not None  # noqa: S101 - only called where it is set
        with self._bulk_engine.begin() as connection:
            return work(connection)

    async def read_one(
        self, statement: Executable | Lookup, values: Mapping[str, Any] | None = None, tenant_id: str | None = None
    ) -> Any | None:
        """Run one query and return its row, or None; see ``read_rows``.

        Raises:
            MultipleResultsFound: there is more than one row.
        """
        rows = await self.read_rows(statement, values, tenant_id)
        if len(rows) > 1:
            raise MultipleResultsFound("one row was expected")
        return rows[0] if rows else None

    async def read_rows(
        self, statement: Executable | Lookup, values: Mapping[str, Any] | None = None, tenant_id: str | None = None
    ) -> Sequence[Any]:
        """Run one query and return its rows; ``values`` are those of its named parameters, ``tenant_id`` as for ``reading``.

        The quick way to look something up by its key: on SQLite it is done at once, for handing it to a thread takes longer than the look;
        on PostgreSQL it is one message without a tenant, for a statement by itself needs no transaction around it. What is looked up all
        the time is a ``Lookup``; else build the statement once: building one of forty columns takes longer than running it.
        """
        _named(tenant_id)
        if isinstance(statement, Lookup):
            if self._driver_reads is not None:
                return await self._driver_reads.rows(statement, values, tenant_id)
            statement = statement.statement
        if self._at_once is None:
            async with self._reader(tenant_id) as connection:
                return (await connection.execute(statement, values)).all()
        try:
            return self._at_once.rows(statement, values)
        except OperationalError as error:
            if not is_busy(error):
                raise
        # Another process has all of the database to itself for a moment: wait for it in a thread.
        assert self._bulk_engine is not None  # noqa: S101 - there is one on SQLite
        waiting = self._bulk_engine.execution_options(single=True)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, _rows, waiting, statement, values)

    async def read(self, work: Callable[[Connection], T], tenant_id: str | None = None) -> T:
        """Run ``work``, which only reads, on one consistent state, and return its result; ``tenant_id`` as for ``reading``.

        The quick way for a few lookups that belong together, as ``read_one`` is for one. Let ``work`` fetch all rows of a query before it
        looks at them: a connection whose query was left half-read could not begin to write.
        """
        _named(tenant_id)
        if self._bulk_engine is None:
            async with self._snapshots.connect() if tenant_id is None else self._reader(tenant_id) as connection:
                return await connection.run_sync(work)
        return await asyncio.get_running_loop().run_in_executor(self._read_threads, self._work_in_thread, work)

    def _work_in_thread(self, work: Callable[[Connection], T]) -> T:
        assert self._bulk_engine is not None  # noqa: S101 - only called where it is set
        with self._bulk_engine.execution_options(writes=False).connect() as connection:
            return work(connection)

    @asynccontextmanager
    async def reading(self, tenant_id: str | None = None) -> AsyncIterator[AsyncSession]:
        """Open a session that only reads; sees one consistent state, and with ``tenant_id`` only this tenant's (see ``transaction``)."""
        _named(tenant_id)
        if self._threaded_reads is not None:
            async with self._threaded_reads.open() as session:
                yield session
        elif tenant_id is None:
            async with self._sessions() as session:
                yield session
        else:
            async with self._reader(tenant_id) as connection, AsyncSession(connection, expire_on_commit=False) as session:
                yield session

    def listing(self, tenant_id: str) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a session for a list, which may be a moment behind what others do; else as ``reading``."""
        return self.reading(tenant_id) if self.standby is None else self.standby.reading(tenant_id)

    def _reader(self, tenant_id: str | None) -> AbstractAsyncContextManager[AsyncConnection]:
        """Lend a connection to PostgreSQL for queries of one tenant on one state; for one query about any without a tenant."""
        return self._single_engine.connect() if tenant_id is None else reading_as(self._single_engine, tenant_id)

    @asynccontextmanager
    async def _write_turn(self) -> AsyncIterator[None]:
        if self._writer is None:
            yield
        else:
            async with self._writer:
                yield

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        self._bulk_thread.shutdown()
        self._read_threads.shutdown()
        for opened in (self._bulk_engine, self._at_once):
            if opened is not None:
                opened.dispose()


def _named(tenant_id: str | None) -> None:
    """Refuse a tenant without a name: somebody forgot to say whose rows are meant.

    Raises:
        UnscopedQuery: so it is.
    """
    if tenant_id is not None and not tenant_id:
        raise UnscopedQuery("a transaction on behalf of a tenant names none")


def _rows(engine: Engine, statement: Executable, values: Mapping[str, Any] | None) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(statement, values).all()


def _as_sqlite(engine: Engine, *, waits: bool = True) -> None:
    event.listen(engine, "connect", partial(_configure_sqlite, _BUSY_MS if waits else 0))
    event.listen(engine, "begin", _begin_sqlite)
    end_process_on_lost_write(engine)


def _configure_sqlite(busy_ms: int, connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: see _begin_sqlite.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL: a commit is on disk before it is acknowledged, also against power loss.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={busy_ms}", "cache_size=-16000"):
        # The constants above.
        # ast-grep-ignore: no-built-sql
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    if connection.get_execution_options().get("single"):
        return  # one statement is a transaction by itself
    # A writer takes the lock at once: upgrading a read transaction would fail at random when another process has written.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
