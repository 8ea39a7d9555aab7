"""Reading from PostgreSQL on behalf of one tenant, in as few messages as can be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agentflow.infra.db.row_security import ROLE

END = "ROLLBACK"
"""What ends the transaction that ``begin_as`` begins."""
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What the driver raises; its timeouts are an ``OSError``."""


def begin_as(tenant_id: str) -> str:
    """Return what begins a transaction that only reads, sees one state, and is one tenant's."""
    # A text that went through UUID is hexadecimal digits and dashes; the rest are constants.
    # ast-grep-ignore: no-built-sql
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE {ROLE}; SET LOCAL agentflow.tenant = '{UUID(tenant_id)}'"


@asynccontextmanager
async def reading_as(engine: AsyncEngine, tenant_id: str) -> AsyncIterator[AsyncConnection]:
    """Lend a connection inside such a transaction.

    Begin, role and tenant go to the server together, which SQLAlchemy cannot do: it sends a begin by itself and waits for the answer. A
    connection whose transaction may not have ended never goes back to the pool, for its next user would be this tenant.

    Args:
        engine: of PostgreSQL, in AUTOCOMMIT: it begins and ends no transaction by itself.
        tenant_id: whose rows are seen.

    Raises:
        ValueError: the tenant has no id of ours.
        OperationalError: the server did not take it.
    """
    begin = begin_as(tenant_id)
    async with engine.connect() as connection:
        # At hand since it was borrowed: get_raw_connection() would change into a greenlet for it.
        driver: Any = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr] # is one while it is open
        try:
            await _send(driver, begin)
            yield connection
        finally:
            await _end(connection, driver)


async def _end(connection: AsyncConnection, driver: Any) -> None:
    if connection.invalidated:
        return
    try:
        await _send(driver, END)
    except BaseException:
        await connection.invalidate()
        raise


async def _send(driver: Any, text: str) -> None:
    try:
        await driver.execute(text)
    except FAILURES as error:
        raise OperationalError(text, None, error, hide_parameters=True, connection_invalidated=True) from error
