"""The server process: HTTP in front of one container."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from agentflow import __version__
from agentflow.bootstrap.container import Container, open_container
from agentflow.bootstrap.identity import check_address
from agentflow.config.settings import Settings
from agentflow.entrypoints.http import http_config, listen
from agentflow.entrypoints.process import loop_factory, raise_file_limit, settle
from agentflow.infra.observability.logging import configure_logging
from agentflow.interfaces.rest.app import create_app

log = structlog.get_logger(__name__)

SETTLE_AFTER_S = 0.5
"""Seconds that the first requests have to themselves before a thread loads what runs need, and takes the interpreter lock for it."""


def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises:
        RemoteBindRefused: ``settings.host`` is not loopback.
        AddressTaken: the port cannot be listened on.
        AgentFlowError: the database cannot be used.
    """
    configure_logging(settings.log_level, settings.log_format)
    asyncio.run(check_address(settings))
    raise_file_limit()
    with listen(settings.host, settings.port) as listener, asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with open_container(settings) as container:
        app = create_app(container)
        config = http_config(app, settings)
        await _announce(container, listener)
        loop = asyncio.get_running_loop()
        loop.call_later(SETTLE_AFTER_S, loop.run_in_executor, None, settle)
        await _Server(config, app).serve(sockets=[listener])
        log.info("stopping", waits_for_runs_s=settings.shutdown_grace_s)


class _Server(uvicorn.Server):
    """Ends event streams when told to stop, and leaves the process alive so that runs can be given back."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _stop(self, number: signal.Signals) -> None:
        self._app.state.stopping.set()
        self.handle_exit(number, None)


async def _announce(container: Container, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    token = await container.owners.sign_in_token(container.owner)
    print(  # noqa: T201 - the one thing a person who starts a server must read
        f"AgentFlow {__version__} listens on {url}\n"
        f"  sign in once:  {url}/api/v1/auth/link?token={token}\n"
        f"  owner's key:   {container.owner.key_file}\n"
        f"  API and docs:  {url}/docs",
        flush=True,
    )
