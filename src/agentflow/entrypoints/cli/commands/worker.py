"""``agentflow worker``: drives runs beside a server."""

from typing import Annotated

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.options import DataDir


def worker(
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, help="Runs it drives at a time; default 2000 (AGENTFLOW_MAX_CONCURRENT_RUNS).")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", min=0, max=65535, help="Serve /metrics and /health there; 0 takes a free port (AGENTFLOW_METRICS_PORT)."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Drive runs that servers accept; start as many workers as you like.

    Needs AGENTFLOW_DATABASE_URL (PostgreSQL) and AGENTFLOW_BROKER_URL (RabbitMQ or Redis), the same as for the servers.
    """
    settings = load_settings(data_dir, max_concurrent_runs=concurrency, metrics_port=metrics_port)
    from agentflow.entrypoints.worker import work

    work(settings)
