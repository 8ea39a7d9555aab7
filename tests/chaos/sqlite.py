"""Every SQLite connection of a simulated process: no thread behind it, and every commit is announced to whoever watches.

``opened_here`` replaces the three ways in which the program opens SQLite: ``aiosqlite`` and ``sqlite3`` under SQLAlchemy for the control
database, ``sqlite3`` directly for databases of users.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import aiosqlite

Watch = Callable[[str, bool], None]
"""Told of a commit that changed something: what it wrote, and whether it is through (or about to begin)."""

_WRITES = re.compile(r"^\s*(INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+\"?(\w+)\"?(.*)", re.IGNORECASE | re.DOTALL)
_real_connect = sqlite3.connect


class Watcher:
    """Who is told of commits; nobody at first."""

    def __init__(self) -> None:
        self.told: Watch | None = None
        self.connections: list[sqlite3.Connection] = []

    def close_all(self) -> None:
        """Close what a process left open, without committing: its transactions are undone, as by its death."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, *arguments: Any) -> Any:
        if sql == "PRAGMA synchronous=FULL":
            # What a process leaves behind is what it wrote: an image of it needs no disk to have it.
            sql = "PRAGMA synchronous=OFF"
        self.connection.note(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> Any:
        self.connection.note(sql)
        return super().executemany(sql, *arguments)


class _Connection(sqlite3.Connection):
    watcher: Watcher

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.written: set[str] = set()
        self.changes_before = 0

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, sql: str, *arguments: Any) -> Any:
        # The user's databases end their transactions by SQL.
        if sql == "COMMIT":
            self.commit()
            return self.cursor()
        self.note(sql)
        return super().execute(sql, *arguments)

    def note(self, sql: str) -> None:
        found = _WRITES.match(sql)
        if found:
            self.written.add(_kind(found[1].split()[0].upper(), found[2], found[3]))

    def commit(self) -> None:
        written, changed = self.written, self.total_changes != self.changes_before
        self.written, self.changes_before = set(), self.total_changes
        kind = "+".join(sorted(written)) or "schema"
        if not changed or self.watcher.told is None:
            super().commit()
            return
        self.watcher.told(kind, False)
        super().commit()
        self.watcher.told(kind, True)

    def rollback(self) -> None:
        self.written, self.changes_before = set(), self.total_changes
        super().rollback()


def _kind(verb: str, table: str, rest: str) -> str:
    """Return what a statement is to the runtime."""
    if table == "runs":
        if verb == "INSERT":
            return "admission"
        if "fresh" in rest:
            return "journal"
        return "claim" if "fence" in rest.partition("WHERE")[0] else "lease" if "lease" in rest else "request"
    if table in {"node_runs", "run_events", "node_cache"}:
        return "journal"
    if table.startswith("checkpoint"):
        return "checkpoint"
    if table == "run_specs":
        return "admission"
    return table


class _Inline:
    """What SQLAlchemy uses of an ``aiosqlite`` connection, without its thread; each answer takes a simulated moment."""

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection
        self._conn = connection
        self._thread = SimpleNamespace()
        self._tx = SimpleNamespace(put_nowait=_call)

    def __await__(self) -> Iterator[Any]:
        return self
        yield

    async def _moment(self) -> None:
        await asyncio.sleep(asyncio.get_running_loop().latency())

    def cursor(self) -> "_InlineCursor":
        return _InlineCursor(self, self._conn.cursor())

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        self._conn.create_function(*arguments, **options)

    async def commit(self) -> None:
        self._conn.commit()
        await self._moment()

    async def rollback(self) -> None:
        self._conn.rollback()

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        self._conn.close()
        self._connection = None


class _InlineCursor:
    def __init__(self, owner: _Inline, cursor: sqlite3.Cursor) -> None:
        self._owner, self._cursor = owner, cursor

    async def __aenter__(self) -> "_InlineCursor":
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, *arguments: Any) -> "_InlineCursor":
        self._cursor.execute(*arguments)
        await self._owner._moment()
        return self

    async def executemany(self, *arguments: Any) -> "_InlineCursor":
        self._cursor.executemany(*arguments)
        await self._owner._moment()
        return self

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


def _call(job: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
    future, function = job
    future.set_result(function())


@contextmanager
def opened_here(watcher: Watcher) -> Iterator[None]:
    """Open every SQLite connection of the program without threads, and tell ``watcher`` of its commits."""
    factory = type("_WatchedConnection", (_Connection,), {"watcher": watcher})

    def connect(*arguments: Any, **options: Any) -> Any:
        connection = _real_connect(*arguments, **{**options, "factory": factory, "check_same_thread": False})
        watcher.connections.append(connection)
        return connection

    def connect_async(*arguments: Any, **options: Any) -> Any:
        return _Inline(connect(*arguments, **options))

    with (
        patch.object(sqlite3, "connect", connect),
        patch.object(sqlite3.dbapi2, "connect", connect),
        patch.object(aiosqlite, "connect", connect_async),
    ):
        yield


def open_store(folder: Path) -> sqlite3.Connection:
    """Open the control database of a running simulation, unseen."""
    return _real_connect(folder / "agentflow.db", isolation_level=None)
