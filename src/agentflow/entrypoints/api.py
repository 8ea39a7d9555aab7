"""The server process: HTTP in front of one container."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from agentflow import __version__
from agentflow.bootstrap.container import Container, open_container
from agentflow.config.settings import Settings
from agentflow.errors import Unavailable
from agentflow.identity.owner import check_bind
from agentflow.infra.observability.logging import configure_logging
from agentflow.interfaces.rest.app import create_app
from agentflow.runtime.execution.driver import warm_up

log = structlog.get_logger(__name__)

CLOSING_S = 5
"""Seconds that requests under way may take when the server stops; event streams end at once."""


class AddressTaken(Unavailable):
    """Another program listens on the address, or it is not one of this machine."""

    code, title = "ADDRESS_TAKEN", "Address not available"


def serve(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises:
        RemoteBindRefused: ``settings.host`` is not loopback.
        AddressTaken: the port cannot be listened on.
        AgentFlowError: the database cannot be used.
    """
    configure_logging(settings.log_level, settings.log_format)
    check_bind(settings.host)
    with _listen(settings.host, settings.port) as listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, listener))


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    if sys.platform == "win32":
        return None
    import uvloop

    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        hint = "Stop the program that listens there, or choose another with --port (0 takes a free one)."
        raise AddressTaken(f"{host}:{port} cannot be listened on: {error.strerror}.", hint=hint) from error


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with open_container(settings) as container:
        app = create_app(container)
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=CLOSING_S,
        )
        await _announce(container, listener)
        asyncio.get_running_loop().run_in_executor(None, _settle)
        await _Server(config, app).serve(sockets=[listener])
        log.info("stopping", waits_for_runs_s=settings.shutdown_grace_s)


def _settle() -> None:
    """Load what the first run needs, then take everything loaded out of garbage collection.

    Half a million objects of libraries live as long as the process; each full collection would walk them and stop the event loop for
    160 ms, several times a second under load. Young objects are collected less often, too: a run's few cycles can wait.
    """
    warm_up()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


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
