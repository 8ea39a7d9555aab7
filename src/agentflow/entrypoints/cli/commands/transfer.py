"""``agentflow export`` and ``agentflow import``: workflows as files; copies, and confirming what came from outside."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.files import STDIN, read_bytes
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient


class Format(StrEnum):
    """How a workflow is written."""

    JSON = "json"
    YAML = "yaml"


def export(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of the workflow, or its name.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of standard output.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.JSON,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Write a workflow to a file, without secrets.

    `agentflow import` reads it.
    """
    from agentflow.entrypoints.cli.sync import with_client

    text = with_client(server, data_dir, lambda client: client.text(f"/workflows/{workflow}/export", format=format_.value))
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise CliError(f"{output} cannot be written: {error.strerror}.") from error
    Printer().step(f"{output} written")


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Exported workflow in JSON, or in YAML by its suffix; - reads standard input.")
    ],
    preview: Annotated[bool, typer.Option("--preview", help="Only show what it would use; store nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm what it uses without being asked.")] = False,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Store an exported workflow.

    Shows what it uses, and runs only once that is confirmed: at a terminal, with --yes, or later with `agentflow workflows confirm`.
    """
    from agentflow.entrypoints.cli.sync import with_client

    content = read_bytes(file)
    kind = "application/yaml" if file.lower().endswith((".yaml", ".yml")) else "application/json"

    async def work(client: "ApiClient") -> tuple[dict[str, Any], dict[str, Any] | None, bool]:
        look: dict[str, Any] = await client.upload("/workflows/import/preview", content, kind)
        if not as_json:
            show_uses(Printer(), look["uses"])
        if preview:
            return look, None, False
        confirms = look["needs_confirmation"] and agreed(yes=yes, asks=not as_json and file != STDIN)
        query = f"?confirm={look['spec_hash']}" if confirms else ""
        return look, await client.upload(f"/workflows/import{query}", content, kind), confirms

    look, stored, confirmed = with_client(server, data_dir, work)
    if stored is None:
        _show_preview(look, as_json=as_json)
    elif as_json:
        emit_json(stored)
    else:
        Printer().line(f"workflow {stored['id']} {stored['name']}, version {stored['version']}")
        if look["needs_confirmation"] and not confirmed:
            Printer().step(f"It does not run before somebody confirms what it uses: agentflow workflows confirm {stored['id']}")


def confirm(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of the workflow, or its name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Confirm without being asked.")] = False,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a workflow that came from outside use what it names.

    Shows that first, and asks at a terminal.
    """
    from agentflow.entrypoints.cli.sync import with_client

    path = f"/workflows/{quote(workflow, safe='')}/confirmation"

    async def work(client: "ApiClient") -> dict[str, Any]:
        found: dict[str, Any] = await client.get(path)
        if not as_json:
            show_uses(Printer(), found["open"])
        if found["is_confirmed"]:
            return found
        if not agreed(yes=yes, asks=not as_json):
            raise CliError("Nothing was confirmed.", hint="Say --yes where nobody can be asked.")
        confirmed: dict[str, Any] = await client.post(path, {"spec_hash": found["spec_hash"]})
        return confirmed

    found = with_client(server, data_dir, work)
    if as_json:
        emit_json(found)
    else:
        Printer().line(f"workflow {found['workflow_id']} may run")


def fork(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Id or name of a workflow, id of a public one, or a link or its token.")],
    name: Annotated[str | None, typer.Option("--name", help="Name of the copy.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Copy a workflow: one's own, one that is shared, a public one, or one that a link opens."""
    from agentflow.entrypoints.cli.sync import with_client

    token = source.rpartition("token=")[2]
    body = {"name": name, **({"link": token} if token.startswith("afw_") else {"source_id": source})}
    made: dict[str, Any] = with_client(server, data_dir, lambda client: client.post("/workflows/fork", body))
    if as_json:
        emit_json(made)
    else:
        Printer().line(f"workflow {made['id']} {made['name']}, version {made['version']}")


def show_uses(printer: Printer, uses: Mapping[str, Sequence[str]]) -> None:
    """Print what a workflow uses, one kind a line; nothing where it uses nothing."""
    for kind, names in uses.items():
        if names:
            printer.step(f"uses {kind}: {', '.join('any' if name == '*' else name for name in names)}")


def agreed(*, yes: bool, asks: bool) -> bool:
    """Tell whether a person agrees: by an option, or when asked at a terminal."""
    from agentflow.entrypoints.cli.asking import at_terminal

    return yes or (asks and at_terminal() and typer.confirm("May it use that?", err=True))


def _show_preview(look: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(look)
        return
    printer = Printer()
    printer.problems(look["errors"])
    state = "can run here" if look["valid"] else "can be imported" if look["importable"] else "cannot be imported"
    printer.line(f"{look['name'] or 'the document'} {state}")
    if not look["importable"]:
        raise typer.Exit(Exit.INVALID_SPEC)
