"""``agentflow export`` and ``agentflow import``: workflows as files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.files import read_bytes
from agentflow.entrypoints.cli.options import DataDir, Server
from agentflow.entrypoints.cli.printer import Printer


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
    """Write a workflow to a file.

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
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Store an exported workflow."""
    from agentflow.entrypoints.cli.sync import with_client

    content = read_bytes(file)
    kind = "application/yaml" if file.lower().endswith((".yaml", ".yml")) else "application/json"
    stored: dict[str, Any] = with_client(server, data_dir, lambda client: client.upload("/workflows/import", content, kind))
    Printer().line(f"workflow {stored['id']} {stored['name']}, version {stored['version']}")
