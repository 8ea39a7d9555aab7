"""Who is certainly dead: a worker holds a lock as long as its process lives, so a lock that can be had means that its owner is gone.

Leases bound recovery everywhere; presence only makes it faster, where the operating system or the database can tell at once.
"""

import contextlib
import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.queue.signs import sign

log = structlog.get_logger(__name__)

_LARGEST_SKEW_S = 1.0
"""Most that clocks may differ: a tenth of a lease."""

_SETTLED_S = 10
"""Seconds after its start in which a PostgreSQL server's word on who holds a lock is not relied on."""


class Presence(Protocol):
    """Announces this worker, and tells of others whether they are dead for certain."""

    async def announce(self, owner: str) -> None:
        """Hold the lock of ``owner`` until ``withdraw`` or death."""
        ...

    async def is_dead(self, owner: str) -> bool:
        """Tell whether ``owner`` has certainly died; False when unknown."""
        ...

    async def keep(self) -> None:
        """Take the lock again if it was lost although this process lives."""
        ...

    async def withdraw(self) -> None:
        """Let go of the lock."""
        ...


class FilePresence:
    """Locks on files beside a SQLite database (``flock``): released by the kernel however a process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[int, Path] | None = None

    async def announce(self, owner: str) -> None:
        """Hold the lock of ``owner``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{owner}.lock"
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(handle, sign().encode(), 0)
        self._held = (handle, path)

    async def is_dead(self, owner: str) -> bool:
        """Tell whether the lock of ``owner`` is free; a missing file means that it was cleared away after its death."""
        path = self._folder / f"{owner}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            return True
        finally:
            os.close(handle)

    async def keep(self) -> None:
        """Do nothing: a lock on a file is lost only with its process."""

    async def withdraw(self) -> None:
        """Let go of the lock and remove its file."""
        if self._held is not None:
            handle, path = self._held
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            os.close(handle)
            self._held = None


class AdvisoryPresence:
    """Session advisory locks of PostgreSQL: released by the server when the connection of a dead process is gone."""

    def __init__(self, database: Database, clock: Clock, *, drives: bool = True) -> None:
        self._database = database
        self._clock = clock
        self._drives = drives
        self._connection: AsyncConnection | None = None
        self._owner: str | None = None
        self._said = ""

    async def announce(self, owner: str) -> None:
        """Hold the lock of ``owner`` on a connection of its own."""
        self._owner = owner
        connection = await self._database.engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _lock_key(owner)})
            self._said = ""
            await self._say(connection)
        except BaseException:
            await _discard(connection)
            raise
        self._connection = connection

    async def is_dead(self, owner: str) -> bool:
        """Tell whether the lock of ``owner`` is free; not soon after the server has started, when all had lost their locks."""
        query = f"SELECT pg_postmaster_start_time() < now() - interval '{_SETTLED_S} s' AND pg_try_advisory_xact_lock(:key)"
        async with self._database.engine.connect() as connection:
            return bool(await connection.scalar(text(query), {"key": _lock_key(owner)}))

    async def keep(self) -> None:
        """Take the lock again if the connection that held it is gone: others would take a living worker for dead.

        Raises:
            DBAPIError, OSError: the database does not answer; the next call tries again.
        """
        if self._owner is None:
            return
        if self._connection is not None:
            try:
                await self._say(self._connection)
            except (DBAPIError, OSError):
                await self._let_go()
        if self._connection is None:
            await self.announce(self._owner)

    async def _say(self, connection: AsyncConnection) -> None:
        """Say who this is, where everybody sees it who looks at the connections of the database."""
        before = self._clock.now()
        there: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        skew_s = (before + (self._clock.now() - before) / 2 - there).total_seconds()
        said = sign(skew_s, drives=self._drives)
        if said != self._said:
            await connection.execute(text("SELECT set_config('application_name', :said, false)"), {"said": said})
            self._said = said
            if abs(skew_s) > _LARGEST_SKEW_S:
                log.warning("the clock of this machine differs from the database's: leases end early or late by as much", skew_s=skew_s)

    async def withdraw(self) -> None:
        """Close the connection that holds the lock."""
        self._owner = None
        await self._let_go()

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await _discard(connection)


async def _discard(connection: AsyncConnection) -> None:
    """Close a connection, whatever state it is in; the pool makes another."""
    with contextlib.suppress(Exception):
        await connection.invalidate()
    with contextlib.suppress(Exception):
        await connection.close()


def _lock_key(owner: str) -> int:
    # The random half of a UUIDv7 as a signed 64-bit number.
    return int.from_bytes(bytes.fromhex(owner.replace("-", "")[16:]), signed=True)
