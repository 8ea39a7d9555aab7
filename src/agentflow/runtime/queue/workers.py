"""Which workers live, for a person who looks; read-only."""

import asyncio
import fcntl
import os
from pathlib import Path

from sqlalchemy import text

from agentflow.infra.db.engine import Database
from agentflow.runtime.queue.signs import WorkerSign, read_sign

_SIGN_BYTES = 100

# Workers hold session locks with keys of 64 bits, see presence; claims and migrations hold theirs for one transaction.
_HELD = """
SELECT max(activity.application_name) FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY pid
"""


async def living_workers(database: Database, folder: Path) -> list[WorkerSign]:
    """Return the processes that drive runs and are alive on a database; ``folder`` holds their locks beside SQLite."""
    if database.is_sqlite:
        return await asyncio.to_thread(_held, folder)
    async with database.reading() as session:
        signs = [read_sign(name or "") for name in (await session.scalars(text(_HELD))).all()]
    return [worker for worker in signs if worker.drives]


def _held(folder: Path) -> list[WorkerSign]:
    return [worker for path in folder.glob("*.lock") if (worker := _holder(path)) is not None]


def _holder(path: Path) -> WorkerSign | None:
    """Return who holds a lock, or None when nobody does."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_sign(os.read(handle, _SIGN_BYTES).decode(errors="replace"))
    else:
        return None
    finally:
        os.close(handle)
