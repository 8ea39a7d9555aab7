"""From a command, which is a plain function, to the client, which is asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from agentflow.entrypoints.cli.client import ApiClient
from agentflow.entrypoints.cli.connect import connect

T = TypeVar("T")


def with_client(server: str | None, data_dir: Path | None, work: Callable[[ApiClient], Awaitable[T]]) -> T:
    """Open the API, do ``work`` with it, close it."""

    async def session() -> T:
        async with connect(server, data_dir) as client:
            return await work(client)

    return asyncio.run(session())
