"""Telling a database that is down, full or damaged from a fault of ours."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agentflow.errors import AgentFlowError, StorageFull, Unavailable
from agentflow.infra.db.backup import DAMAGED_HINT, DatabaseDamaged
from agentflow.infra.db.trouble import is_damage

RETRY_AFTER_S = 1.0

_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
_SQLSTATE_CLASSES = ("08", "40", "53", "55", "57")
"""Connection exceptions, transactions that were undone for the sake of others, insufficient resources, not in the needed state, operator
intervention (a server that stops or starts)."""
_CONFLICTS = frozenset({"40001", "40P01"})
"""A transaction that could not be put in a row with others, and one that waited for another in a circle: both were undone as a whole."""
_DISK_FULL = "53100"


class DatabaseUnavailable(Unavailable):
    """The control database does not answer, is full, or has no free connection."""

    code, title = "DATABASE_UNAVAILABLE", "Database unavailable"


def as_unavailable(error: BaseException) -> AgentFlowError | None:
    """Return the error to show when ``error`` says that the database cannot serve now, or None when it is something else."""
    if _is_full(error):
        hint = "Free some space, or delete old runs: `agentflow runs prune`. It goes on by itself then."
        return StorageFull(
            "There is no room left for the database; nothing of this request was stored.", hint=hint, retry_after_s=RETRY_AFTER_S
        )
    if isinstance(error, DBAPIError) and is_damage(error.orig):
        return DatabaseDamaged(f"The database is damaged: {error.orig}.", hint=DAMAGED_HINT)
    if not _is_down(error):
        return None
    return DatabaseUnavailable(
        "The database cannot serve this request now.",
        hint="Try again; GET /health/ready shows when it answers.",
        retry_after_s=RETRY_AFTER_S,
    )


def is_outage(error: BaseException) -> bool:
    """Tell whether an error, or one of a group, says that the database cannot serve now: nothing of what was asked for is at fault."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_outage, error.exceptions))
    return as_unavailable(error) is not None


def is_conflict(error: DBAPIError) -> bool:
    """Tell whether a transaction was undone because of another one, and may succeed when it is tried again."""
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS


def is_busy(error: DBAPIError) -> bool:
    """Tell whether SQLite could not begin because another process has the whole database to itself."""
    return (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_full(error: BaseException) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _DISK_FULL


def _is_down(error: BaseException) -> bool:
    if isinstance(error, PoolTimeout | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _SQLITE  # the upper bits say more about the same cause
    return str(getattr(error.orig, "sqlstate", None) or "").startswith(_SQLSTATE_CLASSES)
