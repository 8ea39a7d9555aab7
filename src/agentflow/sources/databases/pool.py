"""The open databases of a process, one for each tenant and set of settings."""

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
"""Folder below the data folder where relative SQLite paths of the installation's own organisation lie."""
FILES_OF = "files-of"
"""Folder below the data folder in which every other organisation has one of its own."""
_MAX_OPEN = 64


class DatabasePool:
    """Opens users' databases and keeps them open; knows the one database that they must never be."""

    def __init__(self, *, control_url: str, data_dir: Path, installation: str) -> None:
        """Open nothing yet.

        Args:
            control_url: URL of the control database.
            data_dir: the data folder; workflows may use only their tenant's folder in it.
            installation: the tenant that runs the installation; it alone may use SQLite files elsewhere on this machine.
        """
        self._control = make_url(control_url)
        self._data_dir = data_dir
        self._installation = installation
        self._open: OrderedDict[bytes, UserDatabase] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def open(self, source: SourceSettings, tenant_id: str) -> UserDatabase:
        """Return the database of a tenant's source; connections are made by its first use, and never shared with another tenant.

        Raises:
            NodeError: ``DB_CONFIG`` when the settings do not describe a database, ``DB_FORBIDDEN`` when it is one of ours.
        """
        settings = read(source)
        key = json.canonical([tenant_id, source.id, settings.model_dump()])
        if key not in self._open:
            self._open[key] = self._create(source.id, settings, tenant_id)
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

    def _create(self, source_id: str, settings: DatabaseSettings, tenant_id: str) -> UserDatabase:
        place = locate(source_id, settings)
        writable = settings.access == "read_write"
        if place.driver == "sqlite":
            path = self._file(source_id, place, tenant_id)
            return SqliteDatabase(source_id, path, writable=writable, forbidden=self._control_files())
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

    def _file(self, source_id: str, place: Place, tenant_id: str) -> Path:
        """Return a SQLite file that a tenant's workflows may use: in the tenant's folder of the data folder.

        Those of the installation's own tenant, who run the machine, may use any file that is not in the data folder besides.
        """
        assert place.path is not None  # noqa: S101 - every SQLite place has one
        if "\0" in str(place.path) or str(place.path) == ":memory:":
            raise config_error(source_id, "path: it does not name a file")
        own = Path(FILES) if tenant_id == self._installation else Path(FILES_OF, tenant_id)
        home, files = self._data_dir.resolve(), (self._data_dir / own).resolve()
        path = Path(os.path.realpath(place.path if place.path.is_absolute() else files / place.path))
        if not place.path.is_absolute() and not path.is_relative_to(files):
            raise config_error(source_id, f"path: a relative path stays in the folder {own} of the data folder")
        if path.is_relative_to(home) and not path.is_relative_to(files):
            raise base.control_database_refused(source_id)
        if tenant_id != self._installation and not path.is_relative_to(files):
            raise config_error(
                source_id, f"path: files elsewhere on the server are the operator's; use a relative path, which lies in {own}"
            )
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
