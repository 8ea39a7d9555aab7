"""Runs migrations on a connection that ``agentflow.infra.db.migrate`` opened, or on the configured database when called by hand."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from agentflow.bootstrap import tables
from agentflow.config.settings import Settings
from agentflow.infra.db.engine import Database

target_metadata = tables.METADATA


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=target_metadata,
        compare_type=True,
        user_module_prefix="types.",
    )
    with context.begin_transaction():
        context.run_migrations()


async def by_hand() -> None:
    database = Database(Settings().database)
    async with database.connection() as connection:
        await connection.run_sync(run)
    await database.close()


given: Connection | None = context.config.attributes.get("connection")
if given is None:
    asyncio.run(by_hand())
else:
    run(given)
