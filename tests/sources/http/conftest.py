from collections.abc import AsyncIterator

import pytest

from agentflow.sources.http.client import GuardedHttpClient
from tests.support.http_server import HttpServer, http_server


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    async with http_server() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[GuardedHttpClient]:
    """Give a client that may call this machine by its name, and by no other."""
    guarded = GuardedHttpClient({"localhost"})
    yield guarded
    await guarded.aclose()
