"""The open databases of a process, one for each set of settings."""

import asyncio
import os
from collections import OrderedDict
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.sources.databases import base
from agentflow.sources.databases.base import SourceSettings, UserDatabase
from agentflow.sources.databases.mysql import MysqlDatabase
from agentflow.sources.databases.postgres import Identity, PostgresDatabase, identity
from agentflow.sources.databases.settings import DatabaseSettings, Place, config_error, locate, read
from agentflow.sources.databases.sqlite import SqliteDatabase

FILES = "files"
"""Folder below the data folder where relative SQLite paths lie."""
_MAX_OPEN = 64


class DatabasePool:
    """Opens users' databases and keeps them open; knows the one database that they must never be."""

    def __init__(self, *, control_url: str, data_dir: Path) -> None:
        """Open nothing yet.

        Args:
            control_url: URL of the control database.
            data_dir: the data folder; workflows may use only its folder ``files``.
        """
        self._control = make_url(control_url)
        self._data_dir = data_dir
        self._open: OrderedDict[bytes, UserDatabase] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, source: SourceSettings) -> UserDatabase:
        """Return the database of a source; connections are made by its first use.

        Raises:
            NodeError: ``DB_CONFIG`` when the settings do not describe a database, ``DB_FORBIDDEN`` when it is one of ours.
        """
        settings = read(source)
        key = json.canonical([source.id, settings.model_dump()])
        if key not in self._open:
            self._open[key] = self._create(source.id, settings)
            self._close_oldest()
        self._open.move_to_end(key)
        return self._open[key]

    async def close(self) -> None:
        """Close every connection."""
        databases, self._open = list(self._open.values()), OrderedDict()
        await asyncio.gather(*(database.close() for database in databases), *self._closing)

    def _close_oldest(self) -> None:
        while len(self._open) > _MAX_OPEN:
            _, oldest = self._open.popitem(last=False)
            task = asyncio.get_running_loop().create_task(oldest.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _create(self, source_id: str, settings: DatabaseSettings) -> UserDatabase:
        place = locate(source_id, settings)
        writable = settings.access == "read_write"
        if place.driver == "sqlite":
            return SqliteDatabase(source_id, self._file(source_id, place), writable=writable, forbidden=self._control_files())
        if place.driver == "mysql":
            return MysqlDatabase(place, writable=writable, pool_size=settings.pool_size, ssl_mode=settings.ssl)
        return PostgresDatabase(
            source_id,
            place,
            writable=writable,
            pool_size=settings.pool_size,
            ssl=settings.ssl,
            control_identity=self._control_identity,
        )

    def _file(self, source_id: str, place: Place) -> Path:
        """Return a SQLite file that workflows may use: anywhere but in the data folder, of which they have one folder."""
        assert place.path is not None  # noqa: S101 - every SQLite place has one
        if "\0" in str(place.path) or str(place.path) == ":memory:":
            raise config_error(source_id, "path: it does not name a file")
        home, files = self._data_dir.resolve(), (self._data_dir / FILES).resolve()
        path = Path(os.path.realpath(place.path if place.path.is_absolute() else files / place.path))
        if not place.path.is_absolute() and not path.is_relative_to(files):
            raise config_error(source_id, f"path: a relative path stays in the folder {FILES} of the data folder")
        if path.is_relative_to(home) and not path.is_relative_to(files):
            raise base.control_database_refused(source_id)
        if path.is_relative_to(files):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _control_files(self) -> tuple[Path, ...]:
        if self._control.get_backend_name() != "sqlite" or not self._control.database:
            return ()
        return tuple(Path(self._control.database + suffix) for suffix in ("", "-wal", "-shm"))

    async def _control_identity(self) -> Identity | None:
        """Ask the control database who it is; asked anew for each connection, for a server may have been replaced."""
        if self._control.get_backend_name() not in {"postgresql", "postgres"}:
            return None
        import asyncpg

        try:
            connection = await asyncpg.connect(_plain(self._control), timeout=10)
        except (OSError, asyncpg.PostgresError) as error:
            raise NodeError(
                "Whether the source leads to AgentFlow's own database cannot be told: that database does not answer.",
                error_code="DB_CONNECT",
                retryable=True,
                hint="Try again once AgentFlow's database answers.",
            ) from error
        try:
            return await identity(connection)
        finally:
            await connection.close()


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
