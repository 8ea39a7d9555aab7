"""``agentflow secrets``: what sources are filled in with; values go in and never come out."""

from typing import Annotated

import typer

from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

app = typer.Typer(help="Keep secrets for sources.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret, as in {{ secrets.NAME }}.")]


@app.command("list")
def list_(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the secrets, without their values."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/secrets", limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("NAME", "VERSION", "UPDATED", "LAST USED", "DESCRIPTION"),
        ([item[column] for column in ("name", "version", "updated_at", "last_used_at", "description")] for item in page["items"]),
    )


@app.command("set")
def set_(
    name: Name,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Store a secret, or give it another value.

    The value is read from standard input, or asked for without showing it; it is never an argument, which others could see.
    """
    from agentflow.entrypoints.cli.sync import with_client
    from agentflow.entrypoints.cli.values import read_secret

    body = {"value": read_secret(name), **({} if description is None else {"description": description})}
    stored, is_new = with_client(server, data_dir, lambda client: client.set("/secrets", name, body, {}))
    became = "stored" if is_new else f"replaced, version {stored['version']}"
    Printer().line(f"secret {stored['name']}: {became}")


@app.command()
def delete(name: Name, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a secret that nothing uses."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/secrets/{name}"))
    Printer().line(f"secret {name}: deleted")


@app.command("rotate-master-key")
def rotate_master_key(server: Server = None, data_dir: DataDir = None) -> None:
    """Change the master key that all secrets are sealed under, while everything goes on.

    A change that is broken off is finished by the next start, or by repeating this.
    """
    from agentflow.entrypoints.cli.sync import with_client

    done = with_client(server, data_dir, lambda client: client.post("/secrets/rotate-master-key"))
    Printer().line(f"master key {done['master_key']} is in force; the one before is of no use any more")
