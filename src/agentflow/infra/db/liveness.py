"""Finding dead connections to PostgreSQL before they are used, without asking the server each time.

SQLAlchemy's own check asks before every use: a transaction of three round trips around a question, a third of what a group commit
takes. The driver knows by itself when the server closed a connection; only one that nobody used for a while may be dead unnoticed.
"""

import time
from typing import Any

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

SILENT_S = 1.0
"""Seconds that a connection may lie unused before the server is asked whether it still answers."""

_ANSWER_S = 2.0
"""Seconds after which a server that does not answer counts as gone; the driver's timeouts are ``TimeoutError``, an ``OSError``."""

_USED = "agentflow_used"


def replace_dead_connections(engine: Engine) -> None:
    """Let the pool of ``engine`` replace a connection that is dead instead of lending it."""

    def lend(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError("the server closed the connection")
        if time.monotonic() - entry.info.get(_USED, time.monotonic()) > SILENT_S and not _answers(engine, connection):
            raise DisconnectionError("the server does not answer")

    event.listen(engine, "checkout", lend)
    event.listen(engine, "checkin", _note_use)


def _note_use(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[_USED] = time.monotonic()


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        await_only(connection.driver_connection.fetchrow(";", timeout=_ANSWER_S))
    except (engine.dialect.loaded_dbapi.Error, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True
