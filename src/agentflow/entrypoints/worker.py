"""The worker process: drives runs that servers have accepted, hundreds of them on one event loop."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack, ExitStack

import structlog

from agentflow import __version__
from agentflow.bootstrap.container import open_container
from agentflow.bootstrap.identity import check_address
from agentflow.config.settings import Settings
from agentflow.entrypoints.http import listen, serving
from agentflow.entrypoints.process import loop_factory, settle
from agentflow.infra.observability.logging import configure_logging
from agentflow.interfaces.rest.app import create_probe_app

log = structlog.get_logger(__name__)


def work(settings: Settings) -> None:
    """Drive runs until SIGTERM or SIGINT.

    Raises:
        BrokerNotUsable: no broker is set, Celery is not installed, or the database is not PostgreSQL.
        AddressTaken: the port for metrics cannot be listened on.
        AgentFlowError: the database cannot be used.
    """
    configure_logging(settings.log_level, settings.log_format)
    with ExitStack() as stack:
        listener = None
        if settings.metrics_port is not None:
            asyncio.run(check_address(settings))
            listener = stack.enter_context(listen(settings.host, settings.metrics_port))
        stack.enter_context(asyncio.Runner(loop_factory=loop_factory())).run(_work(settings, listener))


async def _work(settings: Settings, listener: socket.socket | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        container = await stack.enter_async_context(open_container(settings, worker=True))
        if listener is not None:
            await stack.enter_async_context(serving(create_probe_app(container), settings, listener))
            host, port = listener.getsockname()[:2]
            print(f"AgentFlow worker serves metrics on http://{host}:{port}/metrics", flush=True)  # noqa: T201 - port 0 takes a free one
        loop.run_in_executor(None, settle)
        print(f"AgentFlow {__version__} worker drives up to {settings.max_concurrent_runs} runs at a time", flush=True)  # noqa: T201 - says that it is ready
        await stop.wait()
        log.info("stopping", waits_for_runs_s=settings.shutdown_grace_s)
