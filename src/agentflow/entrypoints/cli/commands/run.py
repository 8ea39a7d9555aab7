"""``agentflow run``: start a run of a specification and watch it."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.files import read_object
from agentflow.entrypoints.cli.inputs import parse_inputs
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json
from agentflow.entrypoints.cli.progress import Progress, duration

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Specification in JSON (or YAML, by its suffix); - reads standard input.")],
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="K=V", help="An input; k:=JSON for a JSON value. Repeatable.")
    ] = None,
    inputs_file: Annotated[str | None, typer.Option("--inputs-file", metavar="FILE", help="A JSON object of inputs; --input wins.")] = None,
    lane: Annotated[str | None, typer.Option("--lane", metavar="NAME", help="Sub-queue lane in the queues of the workflow.")] = None,
    step: Annotated[bool, typer.Option("--step", help="Stop before every node.")] = False,
    before: Annotated[list[str] | None, typer.Option("--break-before", metavar="NODE", help="Stop before this node. Repeatable.")] = None,
    after: Annotated[list[str] | None, typer.Option("--break-after", metavar="NODE", help="Stop behind this node. Repeatable.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a specification and watch it.

    Every node is shown as it happens, and at a terminal you are asked what the run asks. Exit code 1 when the run does not succeed, 5 when
    it waits for somebody.
    """
    from agentflow.entrypoints.cli.sync import with_client

    spec = read_object(file, Exit.INVALID_SPEC)
    values = read_object(inputs_file) if inputs_file else {}
    values |= parse_inputs(inputs or (), spec.get("inputs") if isinstance(spec.get("inputs"), dict) else None)
    refuse_unknown(values, spec.get("inputs"))
    stops = {"mode": "step" if step else "run", "interrupt_before": before or [], "interrupt_after": after or []}
    start = {"spec": spec, "inputs": values, "lane": lane, **stops}
    result = with_client(server, data_dir, lambda client: _watch(client, start, None if as_json else Printer(), remote=server is not None))
    finish(result, as_json=as_json)


WAITING_STATUSES = frozenset({"waiting", "needs_attention"})


def finish(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Write what came out of a run and leave with its exit code."""
    if as_json:
        emit_json(result)
    else:
        print_result(Printer(), result)
    if result["status"] in WAITING_STATUSES:
        raise typer.Exit(Exit.WAITING)
    if result["status"] != "succeeded":
        raise typer.Exit(Exit.RUN_FAILED)


async def _watch(client: "ApiClient", start: Mapping[str, Any], printer: Printer | None, *, remote: bool) -> dict[str, Any]:
    import asyncio

    from agentflow.entrypoints.cli.asking import at_terminal
    from agentflow.entrypoints.cli.watching import Watch

    started = await client.post("/execute", dict(start))
    if printer:
        printer.step(f"run {started['id']}")
    try:
        return await Watch(client, started["id"], printer, asks=at_terminal()).to_the_end()
    except asyncio.CancelledError:
        # Ctrl-C. A run on a server goes on without its watcher; here nobody would drive it any more.
        if not remote:
            await client.post(f"/runs/{started['id']}/cancel")
        raise


async def show_events(client: "ApiClient", run_id: str, printer: Printer | None, after: int = 0) -> None:
    """Follow a run to its end, printing what happens when there is a printer."""
    progress = Progress(printer) if printer else None
    async for event in client.follow(run_id, after):
        if progress:
            progress.show(event)


def refuse_unknown(values: Mapping[str, Any], schema: Any) -> None:
    """Refuse inputs that the specification does not name: on a command line they are slips, not extensions.

    Raises:
        CliError: names the input and the nearest one that exists.
    """
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or schema.get("additionalProperties") not in {None, False}:
        return
    for name in values:
        if name not in properties:
            near = difflib.get_close_matches(name, list(properties), n=1)
            known = ", ".join(properties) or "no inputs"
            raise CliError(f"The workflow has no input {name}; it takes {known}.", hint=f"Did you mean {near[0]}?" if near else None)


def print_result(printer: Printer, result: Mapping[str, Any]) -> None:
    """Write what came out of a run: its outputs, or why it has none."""
    error = result.get("error")
    if error:
        at = f" (node {error['node_id']}, attempt {error.get('attempt') or 1})" if error.get("node_id") else ""
        printer.step(f"{error['code']}: {error['message']}{at}", "bold red")
        if error.get("hint"):
            printer.step(f"hint: {error['hint']}")
    elif result["status"] == "succeeded":
        printer.value(result["outputs"])
    elif result["status"] in WAITING_STATUSES:
        printer.step(f"run {result['id']} is {result['status'].replace('_', ' ')}; `agentflow runs inbox` lists what is asked")
        return
    usage = result.get("usage") or {}
    tokens = f", {usage['total_tokens']} tokens" if usage.get("total_tokens") else ""
    printer.step(f"run {result['id']} {result['status']} in {duration(result.get('duration_ms')) or '-'}{tokens}")
