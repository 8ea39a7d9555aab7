"""``agentflow runs pause | resume | signal | send``: holding runs, and telling them what has happened elsewhere."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

Data = Annotated[str, typer.Option("--data", metavar="JSON", help="What comes with the event, as JSON.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
EventName = Annotated[str, typer.Argument(metavar="EVENT", help="Name of the event, as the node waits for it.")]


def pause(run: RunId, server: Server = None, data_dir: DataDir = None) -> None:
    """Let nothing more of a run begin.

    What is under way goes on to its end; then the run waits for `agentflow runs resume`.
    """
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/runs/{run}/pause"))
    Printer().line(f"run {found['id']} {found['status']}, paused since {found['paused_at']}")


def resume(run: RunId, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let a paused run go on.

    Without --server it goes on inside this process, and the command ends when it ends or waits.
    """
    from agentflow.entrypoints.cli.commands.run import finish
    from agentflow.entrypoints.cli.sync import with_client

    printer = None if as_json else Printer()

    async def work(client: "ApiClient") -> dict[str, Any]:
        from agentflow.entrypoints.cli.watching import Watch, last_seq

        after = await last_seq(client, run)
        resumed: dict[str, Any] = await client.post(f"/runs/{run}/resume")
        return resumed if server is not None else await Watch(client, run, printer, asks=False).to_the_end(after)

    found = with_client(server, data_dir, work)
    if server is None:
        finish(found, as_json=as_json)
    elif as_json:
        emit_json(found)
    else:
        Printer().line(f"run {found['id']} {found['status']}, not paused")


def signal(
    run: RunId, event: EventName, data: Data = "null", server: Server = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Send an event to one run.

    If none of its nodes waits for it yet, it is kept for the first that does.
    """
    from agentflow.entrypoints.cli.sync import with_client

    body = {"name": event, "data": _parsed(data)}
    found = with_client(server, data_dir, lambda client: client.post(f"/runs/{run}/signal", body))
    if as_json:
        emit_json(found)
    else:
        Printer().line("delivered" if found["delivered"] else "kept until a node of the run waits for it")


def send(
    event: EventName,
    key: Annotated[str | None, typer.Option("--key", help="Tells events of one name apart, for example an order number.")] = None,
    data: Data = "null",
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send an event to every run that waits for it now."""
    from agentflow.entrypoints.cli.sync import with_client

    body = {"name": event, "key": key, "data": _parsed(data)}
    found = with_client(server, data_dir, lambda client: client.post("/events", body))
    if as_json:
        emit_json(found)
        return
    refused = f", refused by {found['refused']} that its data do not fit" if found["refused"] else ""
    Printer().line(f"delivered to {found['delivered']} waiting nodes{refused}")


def _parsed(text: str) -> Any:
    from agentflow.kit import json

    try:
        return json.loads(text)
    except json.InvalidJson as error:
        raise CliError(f"--data is not followed by JSON: {error}", hint="Quote it for the shell: --data '{\"paid\": true}'.") from error
