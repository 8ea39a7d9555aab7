"""``agentflow migrate``: the database's schema."""

from typing import Annotated

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.options import DataDir
from agentflow.entrypoints.cli.printer import Printer


def migrate(
    down: Annotated[str | None, typer.Option("--down", metavar="REV", help="Go back to this revision; base undoes everything.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Bring the database to the newest schema, or back to an older one."""
    settings = load_settings(data_dir)
    from agentflow.infra.db import migrate as migrations

    if down is None:
        migrations.upgrade(settings.database)
    else:
        migrations.downgrade(settings.database, down)
    Printer().line(f"schema: {migrations.current(settings.database) or 'empty'}")
