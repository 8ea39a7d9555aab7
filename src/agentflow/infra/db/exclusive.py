"""Letting one process at a time do a thing, whatever becomes of that process."""

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text

from agentflow.infra.db.engine import Database


@asynccontextmanager
async def exclusive(database: Database, name: str, folder: Path) -> AsyncIterator[bool]:
    """Try to be the only one who does ``name``; yields whether that worked, and lets go at the end.

    On PostgreSQL an advisory lock of the server, on SQLite a lock on a file in ``folder``; both end with the process that holds them.
    """
    if database.is_sqlite:
        handle = _open(folder / f"{name}.lock")
        try:
            yield _locked(handle)
        finally:
            os.close(handle)
        return
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    async with database.engine.connect() as connection:
        # Held by the session, so it must not be inside a transaction that stays open for minutes.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        held = bool(await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}))
        try:
            yield held
        finally:
            if held:
                await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
