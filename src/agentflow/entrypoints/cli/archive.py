"""Backups of an installation on SQLite: one tar file with the database and the large values beside it."""

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.infra.db.backup import examine, keep, snapshot
from agentflow.infra.db.engine import database_url

_DATABASE, _OBJECTS = "agentflow.db", "objects"


def write_backup(settings: Settings, file: Path) -> int:
    """Write a backup of a running or stopped installation to ``file``; returns its size in bytes.

    Raises:
        CliError: the installation is not on SQLite or has no data yet, or the file exists or cannot be written.
        DatabaseDamaged: the database is not whole.
    """
    source, objects = _database(settings), settings.data_dir / _OBJECTS
    if not source.exists():
        raise CliError(f"There is no database at {source}.", hint="Name its folder with --data-dir.")
    if file.exists():
        raise CliError(f"{file} exists.", hint="Choose another name: a backup is never overwritten.")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.absolute().parent) as folder:
            copy, archive = Path(folder) / _DATABASE, Path(folder) / "archive"
            snapshot(source, copy)
            os.close(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with tarfile.open(archive, "w") as packed:
                packed.add(copy, _DATABASE)
                # After the database: what it refers to was stored before it.
                if settings.object_store_url is None and objects.is_dir():
                    packed.add(objects, _OBJECTS)
            keep(archive, file.absolute())
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror or error}.") from error
    return file.stat().st_size


def read_backup(settings: Settings, file: Path) -> Path:
    """Put a backup into an empty data folder; returns where the database lies.

    Raises:
        CliError: the folder holds a database already, or the file is no backup.
        DatabaseDamaged: the database in the backup is not whole.
    """
    target = _database(settings)
    if target.exists():
        raise CliError(
            f"There is a database at {target} already.", hint="Stop the server and move it away, or restore elsewhere with --data-dir."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=".restore-", dir=target.parent) as folder:
            _unpack(file, Path(folder))
            examine(Path(folder) / _DATABASE, largest=None)
            if (Path(folder) / _OBJECTS).is_dir():
                shutil.copytree(Path(folder) / _OBJECTS, settings.data_dir / _OBJECTS, dirs_exist_ok=True)
            # Last, for with it the folder is an installation.
            (Path(folder) / _DATABASE).chmod(0o600)
            keep(Path(folder) / _DATABASE, target)
    except OSError as error:
        raise CliError(f"{file} cannot be restored: {error.strerror or error}.") from error
    return target


def _unpack(file: Path, folder: Path) -> None:
    try:
        with tarfile.open(file, "r:") as packed:
            names = packed.getnames()
            if _DATABASE not in names or any(Path(name).parts[:1] not in {(_DATABASE,), (_OBJECTS,)} for name in names):
                raise CliError(f"{file} is no backup of AgentFlow.")
            packed.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise CliError(f"{file} is no backup of AgentFlow, or is damaged: {error}.") from error


def _database(settings: Settings) -> Path:
    url = database_url(settings.database)
    if url.get_backend_name() != "sqlite" or not url.database:
        hint = "Use pg_dump and psql: docs/how-to/back-up-and-restore.md shows how."
        raise CliError("This installation is on PostgreSQL, which has tools of its own for this.", Exit.BAD_USAGE, hint=hint)
    return Path(url.database)
