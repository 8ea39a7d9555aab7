"""How many workers live, for a person who looks; read-only."""

import asyncio
import fcntl
import os
from pathlib import Path

from sqlalchemy import text

from agentflow.infra.db.engine import Database

# Workers hold session locks with keys of 64 bits, see presence; claims and migrations hold theirs for one transaction.
_HELD = """
SELECT count(DISTINCT pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def living_workers(database: Database, folder: Path) -> int:
    """Return how many processes that drive runs are alive on a database; ``folder`` holds their locks beside SQLite."""
    if database.is_sqlite:
        return await asyncio.to_thread(_held, folder)
    async with database.reading() as session:
        return int(await session.scalar(text(_HELD)) or 0)


def _held(folder: Path) -> int:
    return sum(map(_is_held, folder.glob("*.lock")))


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
