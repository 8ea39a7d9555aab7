"""``agentflow validate``: every problem of a specification at once, without running anything."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import Exit
from agentflow.entrypoints.cli.files import read_document
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json


def validate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Specification in JSON (or YAML, by its suffix); - reads standard input.")],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check a specification.

    All problems come at once; exit code 3 when there are errors.
    """
    document = read_document(file, Exit.INVALID_SPEC)
    result = _here(document) if server is None else _there(document, server, data_dir)
    if as_json:
        emit_json(result)
    else:
        _print(file, result)
    if not result["valid"]:
        raise typer.Exit(Exit.INVALID_SPEC)


def _here(document: Any) -> dict[str, Any]:
    # No database is opened and no folder made for a look at a file.
    from agentflow.entrypoints.cli.connect import load_settings
    from agentflow.nodes.builtin import builtin_registry
    from agentflow.nodes.registry import load_plugins
    from agentflow.spec.validate import validate as check

    registry = builtin_registry()
    load_plugins(registry)
    return check(document, registry, load_settings()).to_json()


def _there(document: Any, server: str, data_dir: DataDir) -> dict[str, Any]:
    from agentflow.entrypoints.cli.sync import with_client

    result: dict[str, Any] = with_client(server, data_dir, lambda client: client.post("/workflows/validate", {"spec": document}))
    return result


def _print(file: str, result: dict[str, Any]) -> None:
    printer = Printer()
    printer.problems([*result["errors"], *result["warnings"]])
    errors, warnings = _count(result["errors"], "error"), _count(result["warnings"], "warning")
    if not result["valid"]:
        printer.line(f"{file} has {errors} and {warnings}." if result["warnings"] else f"{file} has {errors}.", "red")
    else:
        printer.line(f"{file} is valid, with {warnings}." if result["warnings"] else f"{file} is valid.", "green")


def _count(problems: Sequence[Any], noun: str) -> str:
    return f"{len(problems)} {noun}{'' if len(problems) == 1 else 's'}"
