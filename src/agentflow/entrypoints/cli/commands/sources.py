"""``agentflow sources``: connections to outside systems that workflows use by name."""

from typing import Annotated

import typer

from agentflow.entrypoints.cli.exits import Exit
from agentflow.entrypoints.cli.files import read_object
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

app = typer.Typer(help="Keep connections to outside systems.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the source, as nodes give it.")]


@app.command("list")
def list_(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the sources."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/sources", limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("NAME", "KIND", "VERSION", "DESCRIPTION"),
        ([item["name"], item["kind"], item["version"], item["description"]] for item in page["items"]),
    )


@app.command("set")
def set_(
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Settings of the connection, JSON or YAML; - reads standard input.")] = "-",
    kind: Annotated[str | None, typer.Option("--kind", help="What sort of system it is; needed for a new source.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Store a source, or give it other settings.

    Secrets stand in the settings by name, as {{ secrets.NAME }}.
    """
    from agentflow.entrypoints.cli.sync import with_client

    given = {"kind": kind, "description": description}
    body = {"config": read_object(file), **{field: value for field, value in given.items() if value is not None}}
    stored, is_new = with_client(server, data_dir, lambda client: client.set("/sources", name, body, {}))
    became = "stored" if is_new else f"replaced, version {stored['version']}"
    Printer().line(f"source {stored['name']}: {became}")


@app.command("test")
def try_(name: Name, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Try whether a source answers; exits with 1 when it does not."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/sources/{name}/test"))
    if as_json:
        emit_json(found)
    else:
        Printer().line(f"{'ok' if found['ok'] else found['code']}: {found['message']} ({found['elapsed_ms']:.0f} ms)")
        if found["hint"]:
            Printer().step(f"hint: {found['hint']}")
    if not found["ok"]:
        raise typer.Exit(Exit.RUN_FAILED)


@app.command()
def delete(name: Name, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a source that no workflow uses."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/sources/{name}"))
    Printer().line(f"source {name}: deleted")
