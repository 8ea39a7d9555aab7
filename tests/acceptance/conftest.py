"""Real servers on real databases, and a sink that counts effects."""

from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.acceptance.sink import Sink
from tests.databases import new_postgres
from tests.support.postgres_server import own_postgres

__all__ = ["client", "own_postgres", "server", "sink"]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """Give a sink that listens."""
    with Sink(tmp_path / "sink.jsonl") as sink:
        yield sink


@pytest.fixture
def server_settings() -> dict[str, str]:
    """Give settings of the server besides those that all tests need."""
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path, server_settings: dict[str, str]) -> Iterator[ServerProcess]:
    """Give a running server that may call this machine."""
    with new_postgres() if request.param == "postgresql" else nullcontext() as url:
        server = ServerProcess(tmp_path / "data", url, {"http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2"} | server_settings)
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[Client]:
    """Give a client of the server."""
    client = Client(server)
    yield client
    await client.close()
