"""Listening for HTTP: what servers and workers have in common."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from agentflow.config.settings import Settings
from agentflow.entrypoints.protocol import guarded
from agentflow.errors import Unavailable

KEEP_ALIVE_S = 75
"""Seconds that a connection may wait for its next request."""
CLOSING_S = 5
"""Seconds that requests under way may take when the process stops; event streams end at once."""


class AddressTaken(Unavailable):
    """Another program listens on the address, or it is not one of this machine."""

    code, title = "ADDRESS_TAKEN", "Address not available"


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        AddressTaken: the port cannot be listened on.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        hint = "Stop the program that listens there, or choose another with --port (0 takes a free one)."
        raise AddressTaken(f"{host}:{port} cannot be listened on: {error.strerror}.", hint=hint) from error


def http_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app,
        http=guarded(settings, app.state.gate),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=CLOSING_S,
    )


class _Quiet(uvicorn.Server):
    """Leaves signals to the process that it is only a part of."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, settings: Settings, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application while the context lasts."""
    server = _Quiet(http_config(app, settings))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="probes")
    try:
        yield
    finally:
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
