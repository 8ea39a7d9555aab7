"""A server of the tests' own loop, and connections to it on which they say what they like."""

import asyncio
from contextlib import asynccontextmanager

from agentflow.entrypoints.http import listen, serving
from agentflow.interfaces.rest.app import create_app


@asynccontextmanager
async def serving_with(container, **changed):
    """Give the port of a server with other settings."""
    settings = container.settings.model_copy(update=changed)
    with listen("127.0.0.1", 0) as listener:
        async with serving(create_app(container), settings, listener):
            yield listener.getsockname()[1]


@asynccontextmanager
async def connected(port):
    """Give a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
