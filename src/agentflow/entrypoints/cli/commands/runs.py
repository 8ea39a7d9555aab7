"""``agentflow runs``: history, dead letters, one run in full, its events, and its end."""

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
def dead(limit: Limit = 20, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the dead letters: runs that were given up because worker after worker died of them.

    Start one again with `agentflow runs retry` once its cause is gone.
    """
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/runs", limit=limit, dead_letter=True, sort="created_at:desc"))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("RUN", "WORKFLOW", "CREATED", "CAUSE"),
        ([run["id"], run["workflow_name"], run["created_at"], run["error"]["message"]] for run in page["items"]),
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
def explain(run: RunId, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say why a run is where it is, and the way out."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.get(f"/runs/{run}/explain"))
    if as_json:
        emit_json(found)
        return
    printer = Printer()
    printer.line(f"{run} is {found['status']}.")
    for reason in found["reasons"]:
        times = [f"{word} {reason[word]}" for word in ("since", "until") if reason[word]]
        suffix = f" ({', '.join(times)})" if times else ""
        printer.line(f"- {reason['message']}{suffix}")
        if reason["hint"]:
            printer.line(f"  {reason['hint']}")


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
def delete(run: RunId, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a run that has ended, with its history and its large values."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/runs/{run}"))
    Printer().line(f"run {run} deleted")


@app.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Delete old runs now.

    Ended runs beyond the age or number that the settings and their workflows say; a server does the same by itself every few minutes.
    """
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/runs/prune?dry_run={str(dry_run).lower()}"))
    if as_json:
        emit_json(found)
    else:
        Printer().line(f"{found['runs']} runs {'would be ' if dry_run else ''}deleted")


@app.command()
def cancel(run: RunId, server: Server = None, data_dir: DataDir = None) -> None:
    """Cancel a run that has not ended."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/runs/{run}/cancel"))
    Printer().line(f"run {found['id']} {found['status']}")
