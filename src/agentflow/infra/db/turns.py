"""Taking turns inside transactions: what two must not decide at once, over all processes."""

import hashlib

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


async def take_turn(session: AsyncSession, *about: str) -> None:
    """Wait until no other transaction has the turn about the same, and keep it to the end of this one, which must be a writing one.

    Writing transactions of SQLite take turns in any case.
    """
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.sha256("\0".join(about).encode()).digest()
        await session.execute(_LOCK, {"key": int.from_bytes(digest[:8], "big", signed=True)})
