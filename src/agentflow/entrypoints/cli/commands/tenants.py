"""``agentflow tenants``: organisations, members and invitations."""

from typing import TYPE_CHECKING, Annotated

import typer

from agentflow.entrypoints.cli.commands.users import find_id
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Organisations, their members and invitations.", no_args_is_help=True, rich_markup_mode=None)

Member = Annotated[str, typer.Argument(metavar="USER", help="Name of the member, or its id.")]
_MEMBERS = "/tenants/current/members"


@app.command("list")
def list_(
    everybody: Annotated[bool, typer.Option("--everybody", help="All of the installation.")] = False,
    limit: Limit = 50,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the organisations one is a member of."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/tenants", limit=limit, everybody=everybody or None))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "ROLES", "CURRENT"),
        ([item["id"], item["name"], ",".join(item["roles"]), "yes" if item["is_current"] else ""] for item in page["items"]),
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the organisation.")],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an organisation that one owns."""
    from agentflow.entrypoints.cli.sync import with_client

    made = with_client(server, data_dir, lambda client: client.post("/tenants", {"name": name}))
    if as_json:
        emit_json(made)
    else:
        Printer().line(f"tenant {made['id']} {made['name']}")


@app.command()
def members(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the members of the organisation."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get(_MEMBERS, limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "KIND", "ROLES"),
        ([item["user_id"], item["username"], item["kind"], ",".join(item["roles"])] for item in page["items"]),
    )


@app.command()
def invite(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whom to invite.")],
    role: Annotated[list[str], typer.Option("--role", help="A role; repeatable.")],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Invite somebody into the organisation.

    The token is sent to the address, and written to standard output for servers that send no mail.
    """
    from agentflow.entrypoints.cli.sync import with_client

    made = with_client(server, data_dir, lambda client: client.post("/tenants/current/invitations", {"email": email, "roles": role}))
    if as_json:
        emit_json(made)
        return
    Printer().step(f"{made['email']} is invited until {made['expires_at']}; the token:")
    Printer().line(made["token"])


@app.command("set-roles")
def set_roles(
    user: Member,
    role: Annotated[list[str], typer.Option("--role", help="A role; repeatable.")],
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Give a member other roles."""
    from agentflow.entrypoints.cli.sync import with_client

    async def work(client: "ApiClient") -> None:
        await client.put(f"{_MEMBERS}/{await find_id(client, _MEMBERS, 'username', user)}", {"roles": role})

    with_client(server, data_dir, work)
    Printer().line(f"{user} is {', '.join(role)}")


@app.command()
def remove(user: Member, server: Server = None, data_dir: DataDir = None) -> None:
    """Remove a member with the keys, teams and grants held in the organisation."""
    from agentflow.entrypoints.cli.sync import with_client

    async def work(client: "ApiClient") -> None:
        await client.delete(f"{_MEMBERS}/{await find_id(client, _MEMBERS, 'username', user)}")

    with_client(server, data_dir, work)
    Printer().line(f"{user} is no member any more")
