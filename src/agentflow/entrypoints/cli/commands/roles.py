"""``agentflow roles``: what members may do."""

from typing import Annotated

import typer

from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

app = typer.Typer(help="Look at roles, and make some.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="ROLE", help="Name of the role.")]


@app.command("list")
def list_(server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the roles."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.get("/roles"))
    if as_json:
        emit_json(found)
        return
    Printer().table(
        ("NAME", "PERMISSIONS", "BUILT IN", "DESCRIPTION"),
        ([i["name"], len(i["permissions"]), "yes" if i["is_built_in"] else "no", i["description"]] for i in found["items"]),
    )


@app.command()
def show(role: Name, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what a role allows."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.get(f"/roles/{role}"))
    if as_json:
        emit_json(found)
        return
    for permission in found["permissions"]:
        Printer().line(permission)


@app.command()
def create(
    role: Name,
    permission: Annotated[list[str], typer.Option("--permission", help="What it allows; repeatable.")],
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Make a role of the organisation."""
    from agentflow.entrypoints.cli.sync import with_client

    body = {"name": role, "description": description, "permissions": permission}
    with_client(server, data_dir, lambda client: client.post("/roles", body))
    Printer().line(f"role {role}")


@app.command()
def delete(role: Name, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a role that nobody has."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/roles/{role}"))
    Printer().line(f"role {role} is deleted")
