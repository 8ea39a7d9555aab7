"""``agentflow runs checkpoints | fork | retry``: look at the states of a run, and begin new ones from them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.inputs import parse_inputs
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]
Pins = Annotated[
    list[str] | None, typer.Option("--pin", metavar="NODE=V", help="Give a node this output instead of running it. Repeatable.")
]


def checkpoints(
    run: RunId,
    at: Annotated[int | None, typer.Option("--at", min=0, help="Show the state at this checkpoint; 0 is the begin.")] = None,
    diff: Annotated[int | None, typer.Option("--diff", min=0, help="With --at: show what changed from there to this checkpoint.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the checkpoints of a run, show one, or compare two."""
    from agentflow.entrypoints.cli.sync import with_client

    if diff is not None and at is None:
        raise typer.BadParameter("--diff needs --at: the checkpoint to compare with.")
    path = f"/runs/{run}/checkpoints"
    if at is not None:
        found = with_client(server, data_dir, lambda client: _one(client, path, at, diff))
        emit_json(found)
        return
    page = with_client(server, data_dir, lambda client: client.get(path, limit=200))
    if as_json:
        emit_json(page)
        return
    Printer().table(("CHECKPOINT", "NODE", "STATUS", "AT"), ([p["id"], p["node_id"], p["status"], p["at"]] for p in page["items"]))


async def _one(client: "ApiClient", path: str, at: int, diff: int | None) -> Any:
    if diff is None:
        return await client.get(f"{path}/{at}")
    return await client.get(f"{path}/diff", **{"from": at, "to": diff})


def fork(
    run: RunId,
    checkpoint: Annotated[
        int | None, typer.Option("--at", min=0, help="Checkpoint to begin from; where the run stands without it.")
    ] = None,
    outputs: Annotated[list[str] | None, typer.Option("--set", metavar="NODE=V", help="Change the output of a node. Repeatable.")] = None,
    pins: Pins = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new run from a checkpoint of this one, and watch it."""
    body: dict[str, Any] = {"state": {"nodes": parse_inputs(outputs or ())}, "pinned": parse_inputs(pins or ())}
    if checkpoint is not None:
        body["checkpoint"] = checkpoint
    _begin(f"/runs/{run}/fork", body, server, data_dir, as_json=as_json)


def retry(
    run: RunId,
    from_node: Annotated[str | None, typer.Option("--from", metavar="NODE", help="Run this node and all that follows it again.")] = None,
    pins: Pins = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Begin a new run that keeps what this one has done and runs again what failed, and watch it."""
    body: dict[str, Any] = {"pinned": parse_inputs(pins or ())}
    if from_node is not None:
        body["from_node"] = from_node
    _begin(f"/runs/{run}/retry", body, server, data_dir, as_json=as_json)


def _begin(path: str, body: dict[str, Any], server: str | None, data_dir: Any, *, as_json: bool) -> None:
    from agentflow.entrypoints.cli.asking import at_terminal
    from agentflow.entrypoints.cli.commands.run import finish
    from agentflow.entrypoints.cli.sync import with_client
    from agentflow.entrypoints.cli.watching import Watch

    async def watch(client: "ApiClient") -> dict[str, Any]:
        started = await client.post(path, body)
        return await Watch(client, started["id"], None if as_json else Printer(), asks=at_terminal()).to_the_end()

    finish(with_client(server, data_dir, watch), as_json=as_json)
