"""``agentflow backup`` and ``agentflow restore``: copies of an installation on SQLite."""

from pathlib import Path
from typing import Annotated

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.options import DataDir
from agentflow.entrypoints.cli.printer import Printer


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the backup goes; must not exist.")],
    data_dir: DataDir = None,
) -> None:
    """Write a backup of the data folder, while the server runs or not.

    One tar file with the database, as it was at one moment, and the large values beside it. It is examined before it gets its name. For SQLite;
    PostgreSQL has pg_dump.
    """
    from agentflow.entrypoints.cli.archive import write_backup

    size = write_backup(load_settings(data_dir), file)
    Printer().line(f"backup: {file}, {size / 1e6:.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    data_dir: DataDir = None,
) -> None:
    """Put a backup into a data folder that has no database.

    Runs that were under way go on when the server starts; it writes a new owner's key.
    """
    from agentflow.entrypoints.cli.archive import read_backup

    target = read_backup(load_settings(data_dir), file)
    Printer().line(f"restored: {target}")
