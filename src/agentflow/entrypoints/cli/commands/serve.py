"""``agentflow serve``: the server."""

import gc
from typing import Annotated

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.options import DataDir


def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on; default 8000, 0 takes a free one.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Start the server.

    API, workers and local models run in one process; nothing else is needed.
    """
    # Nothing that loading makes is garbage, and looking for some is a tenth of a start; the server begins to collect when it has settled.
    gc.disable()
    settings = load_settings(data_dir, host=host, port=port)
    from agentflow.entrypoints.api import serve as run_server

    run_server(settings)
