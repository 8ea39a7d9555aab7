"""``agentflow runs``: history, one run in full, its events, and its end."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json
from agentflow.entrypoints.cli.progress import duration

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Look at runs and end them.", no_args_is_help=True, rich_markup_mode=None)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


@app.command("list")
def list_(
    status: Annotated[str | None, typer.Option("--status", help="Only runs of this status, for example failed.")] = None,
    limit: Limit = 20,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/runs", limit=limit, status=status, sort="created_at:desc"))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("RUN", "WORKFLOW", "STATUS", "CREATED", "TOOK"),
        ([run["id"], run["workflow_name"], run["status"], run["created_at"], duration(run["duration_ms"]) or "-"] for run in page["items"]),
    )


@app.command()
def show(run: RunId, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one run with the executions of its nodes."""
    from agentflow.entrypoints.cli.commands.run import print_result
    from agentflow.entrypoints.cli.sync import with_client

    async def read(client: "ApiClient") -> dict[str, Any]:
        return {**await client.get(f"/runs/{run}"), "nodes": (await client.get(f"/runs/{run}/nodes"))["items"]}

    found = with_client(server, data_dir, read)
    if as_json:
        emit_json(found)
        return
    printer = Printer()
    printer.table(
        ("NODE", "TYPE", "STATUS", "ATTEMPTS", "TOOK", "TOKENS"),
        (
            [n["node_id"], n["type"], n["status"], n["attempts"], duration(n["duration_ms"]) or "-", n["usage"]["total_tokens"] or "-"]
            for n in found["nodes"]
        ),
    )
    print_result(printer, found)


@app.command()
def events(
    run: RunId,
    after: Annotated[int, typer.Option("--after", min=0, help="Begin behind this sequence number.")] = 0,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run's events to its end.

    From its beginning, or from behind a sequence number; with --json one event a line.
    """
    from agentflow.entrypoints.cli.commands.run import show_events
    from agentflow.entrypoints.cli.sync import with_client

    async def follow(client: "ApiClient") -> None:
        if not as_json:
            await show_events(client, run, Printer(), after)
            return
        from agentflow.kit import json

        async for event in client.follow(run, after):
            typer.echo(json.dumps(event))

    with_client(server, data_dir, follow)


@app.command()
def cancel(run: RunId, server: Server = None, data_dir: DataDir = None) -> None:
    """Cancel a run that has not ended."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/runs/{run}/cancel"))
    Printer().line(f"run {found['id']} {found['status']}")
