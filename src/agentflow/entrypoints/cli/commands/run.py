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
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Run a specification and watch it.

    Every node is shown as it happens; exit code 1 when the run does not succeed.
    """
    from agentflow.entrypoints.cli.sync import with_client

    spec = read_object(file, Exit.INVALID_SPEC)
    values = read_object(inputs_file) if inputs_file else {}
    values |= parse_inputs(inputs or (), spec.get("inputs") if isinstance(spec.get("inputs"), dict) else None)
    refuse_unknown(values, spec.get("inputs"))
    result = with_client(
        server, data_dir, lambda client: _watch(client, spec, values, None if as_json else Printer(), remote=server is not None)
    )
    if as_json:
        emit_json(result)
    else:
        print_result(Printer(), result)
    if result["status"] != "succeeded":
        raise typer.Exit(Exit.RUN_FAILED)


async def _watch(
    client: "ApiClient", spec: Mapping[str, Any], inputs: Mapping[str, Any], printer: Printer | None, *, remote: bool
) -> dict[str, Any]:
    import asyncio

    started = await client.post("/execute", {"spec": spec, "inputs": inputs})
    if printer:
        printer.step(f"run {started['id']}")
    try:
        await show_events(client, started["id"], printer)
    except asyncio.CancelledError:
        # Ctrl-C. A run on a server goes on without its watcher; here nobody would drive it any more.
        if not remote:
            await client.post(f"/runs/{started['id']}/cancel")
        raise
    result: dict[str, Any] = await client.get(f"/runs/{started['id']}")
    return result


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
    usage = result.get("usage") or {}
    tokens = f", {usage['total_tokens']} tokens" if usage.get("total_tokens") else ""
    printer.step(f"run {result['id']} {result['status']} in {duration(result.get('duration_ms')) or '-'}{tokens}")
