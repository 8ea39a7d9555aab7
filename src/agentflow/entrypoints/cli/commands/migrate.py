"""``agentflow migrate``: the database's schema."""

import asyncio
from typing import Annotated

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.options import DataDir
from agentflow.entrypoints.cli.printer import Printer


def migrate(
    down: Annotated[str | None, typer.Option("--down", metavar="REV", help="Go back to this revision; base undoes everything.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Bring the database to the newest schema.

    Or, with --down, back to an older one. The server does the former by itself when it starts.
    """
    settings = load_settings(data_dir)
    revision = asyncio.run(_migrate(settings.database, down))
    Printer().line(f"schema: {revision or 'empty'}")


async def _migrate(url: str, down: str | None) -> str | None:
    from agentflow.infra.db import migrate as migrations
    from agentflow.infra.db.engine import Database

    database = Database(url, pool_size=1)
    try:
        if down is None:
            await migrations.upgrade(database)
        else:
            await migrations.downgrade(database, down)
        return await migrations.current(database)
    finally:
        await database.close()
