"""``agentflow variables``: values that workflows read as ``vars.NAME``."""

from typing import Annotated, Any

import typer

from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json
from agentflow.kit import json

app = typer.Typer(help="Keep values that workflows read.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the variable, as in vars.NAME.")]


@app.command("list")
def list_(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the variables."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/variables", limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("NAME", "VALUE", "VERSION", "DESCRIPTION"),
        ([item["name"], item["value"], item["version"], item["description"]] for item in page["items"]),
    )


@app.command("set")
def set_(
    name: Name,
    text: Annotated[bool, typer.Option("--text", help="Take the value for text even where it reads as JSON.")] = False,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Store a variable, or give it another value.

    The value is read from standard input: as JSON where it is, else as text.
    """
    from agentflow.entrypoints.cli.sync import with_client
    from agentflow.entrypoints.cli.values import read_value

    given = read_value(name)
    body = {"value": given if text else _parsed(given), **({} if description is None else {"description": description})}
    stored, is_new = with_client(server, data_dir, lambda client: client.set("/variables", name, body, {}))
    became = "stored" if is_new else f"replaced, version {stored['version']}"
    Printer().line(f"variable {stored['name']}: {became}")


@app.command()
def delete(name: Name, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a variable that no workflow reads."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/variables/{name}"))
    Printer().line(f"variable {name}: deleted")


def _parsed(given: str) -> Any:
    try:
        return json.loads(given)
    except json.InvalidJson:
        return given
