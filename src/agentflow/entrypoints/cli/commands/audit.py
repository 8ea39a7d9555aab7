"""``agentflow audit``: who did what, and whether the log of it is as it was written."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.files import read_bytes
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json
from agentflow.kit import json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Read and verify the audit log.", no_args_is_help=True, rich_markup_mode=None)

Action = Annotated[str | None, typer.Option("--action", help="One action, as secret.created, or all of a resource, as secret.")]
Actor = Annotated[str | None, typer.Option("--actor", help="Id or name of who did it.")]
Denied = Annotated[bool, typer.Option("--denied", help="Only what was refused.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Not before this, in UTC.")]
Until = Annotated[datetime | None, typer.Option("--until", help="Before this, in UTC.")]


@app.command("list")
def list_(
    action: Action = None,
    actor: Actor = None,
    denied: Denied = False,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List who did what, newest first."""
    from agentflow.entrypoints.cli.sync import with_client

    which = _which(action, actor, denied, since, until)
    page = with_client(server, data_dir, lambda client: client.get("/audit", limit=limit, **which))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("AT", "ACTOR", "ACTION", "OUTCOME", "RESOURCE ID", "DETAILS"),
        ([item[column] for column in ("at", "actor", "action", "outcome", "resource_id", "details")] for item in page["items"]),
    )


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Where the records go; standard output without it.")] = None,
    action: Action = None,
    actor: Actor = None,
    denied: Denied = False,
    since: Since = None,
    until: Until = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Write the records, oldest first, one a line as JSON.

    Without a filter the file can be verified by itself: agentflow audit verify FILE.
    """
    from agentflow.entrypoints.cli.sync import with_client

    which = _which(action, actor, denied, since, until)

    async def write(client: "ApiClient") -> int:
        count = 0
        with _target(file) as target:
            async for line in client.lines("/audit/export", **which):
                target.write(line + "\n")
                count += 1
        return count

    count = with_client(server, data_dir, write)
    Printer().step(f"{count} records{'' if file is None else f' in {file}'}")


@app.command()
def verify(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="An exported log to verify by itself; without it the log of the server.")
    ] = None,
    anchors: Annotated[
        str | None, typer.Option("--anchors", metavar="FILE", help="Anchors that were kept elsewhere, one a line as JSON.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", metavar="HEX", help="Key that anchors of an exported log are checked with.")
    ] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether the log is as it was written; exits with 1 and names the first record that is not."""
    from agentflow.entrypoints.cli.sync import with_client

    kept = [] if anchors is None else _lines(anchors)
    if file is None:
        found = with_client(server, data_dir, lambda client: client.post("/audit/verify", {"anchors": kept}))
    else:
        from agentflow.entrypoints.cli.exported import verify_export

        found = verify_export(_lines(file), kept, public_key)
    _report(found, as_json=as_json)
    if not found["intact"]:
        raise typer.Exit(Exit.RUN_FAILED)


def _report(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    if found["intact"]:
        Printer().line(f"intact: {found['records']} records, held against {found['anchors']} signed anchors")
    else:
        Printer().line(f"NOT intact: {found['fault']['reason']} {found['records']} records before it are in order.", "bold red")


def _which(action: str | None, actor: str | None, denied: bool, since: datetime | None, until: datetime | None) -> dict[str, str | None]:
    def utc(moment: datetime | None) -> str | None:
        return None if moment is None else f"{moment.isoformat()}Z"

    return {"action": action, "actor": actor, "outcome": "denied" if denied else None, "since": utc(since), "until": utc(until)}


def _lines(file: str) -> list[Any]:
    try:
        return [json.loads(line) for line in read_bytes(file).splitlines() if line.strip()]
    except json.InvalidJson as error:
        raise CliError(f"{file} does not hold one JSON value a line: {error}.") from error


def _target(file: Path | None) -> Any:
    import contextlib
    import sys

    if file is None:
        return contextlib.nullcontext(sys.stdout)
    try:
        return file.open("x")
    except FileExistsError as error:
        raise CliError(f"{file} exists; choose another name.") from error
    except OSError as error:
        raise CliError(f"{file} cannot be written: {error.strerror}.") from error
