"""Taking turns inside transactions: what two must not decide at once, over all processes."""

import hashlib

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


async def take_turn(session: AsyncSession, *about: str) -> None:
    """Wait until no other transaction has the turn about the same, and keep it to the end of this one, which must be a writing one.

    Writing transactions of SQLite take turns in any case.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(_LOCK, _key(about))


def take_turn_on(connection: Connection, *about: str) -> None:
    """Do the same on a connection; see ``take_turn``."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, _key(about))


def _key(about: tuple[str, ...]) -> dict[str, int]:
    digest = hashlib.sha256("\0".join(about).encode()).digest()
    return {"key": int.from_bytes(digest[:8], "big", signed=True)}
