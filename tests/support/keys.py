"""Keys and an audit log for services that are tested without the whole product."""

from pathlib import Path

from agentflow.infra.audit.trail import Trail
from agentflow.infra.crypto import new_key, to_text
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.local import EnvironmentKeys
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.clock import SystemClock

MASTER_KEY = to_text(new_key())
"""A master key for processes that do not share a data folder."""


async def new_ring(database: Database, folder: Path) -> KeyRing:
    """Return a ready ring over a database with tables."""
    ring = KeyRing(database, EnvironmentKeys([MASTER_KEY]), SystemClock(), folder)
    await ring.prepare()
    return ring


async def new_trail(database: Database, folder: Path) -> Trail:
    """Return an audit log over a database with tables."""
    return Trail(database, await new_ring(database, folder), SystemClock())
