"""The whole product inside a test: one container on an empty, migrated database, and a client that holds the owner's key."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.interfaces.rest.app import create_app
from tests.databases import empty, new_postgres

BASE = "http://agentflow.test"


async def _migrate(url: str) -> None:
    database = Database(url, pool_size=1)
    await migrate.upgrade(database)
    await database.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "agentflow.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """Give the URL of a migrated PostgreSQL database, which one test after the other may use once it is emptied."""
    with new_postgres() as url:
        asyncio.run(_migrate(url))
        yield url


@pytest.fixture
def settings(tmp_path: Path, migrated_file: Path) -> Settings:
    """Give settings with a data folder of the test's own, on SQLite."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    shutil.copy(migrated_file, data_dir / "agentflow.db")
    return Settings(data_dir=data_dir, shutdown_grace_s=0.2)


@pytest.fixture
def settings_on_postgres(settings: Settings, migrated_postgres: str) -> Settings:
    """Give settings on an empty PostgreSQL database."""
    empty(migrated_postgres)
    return settings.model_copy(update={"database_url": migrated_postgres})


@pytest.fixture(params=["sqlite", "postgresql"])
def settings_on_both(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Give settings on SQLite and on PostgreSQL; a package that wants both calls this ``settings`` in its ``conftest``."""
    if request.param == "sqlite":
        return settings
    on_postgres: Settings = request.getfixturevalue("settings_on_postgres")
    return on_postgres


@pytest.fixture
async def container(settings: Settings) -> AsyncIterator[Container]:
    """Give an open container."""
    async with open_container(settings) as opened:
        yield opened


@pytest.fixture
def app(container: Container) -> FastAPI:
    """Give the application."""
    return create_app(container)


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client without a credential."""
    async with httpx.AsyncClient(transport=AsgiTransport(app), base_url=BASE) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI, container: Container) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client with the owner's key; its paths begin below ``/api/v1``."""
    headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
    async with httpx.AsyncClient(transport=AsgiTransport(app), base_url=f"{BASE}/api/v1", headers=headers) as client:
        yield client
