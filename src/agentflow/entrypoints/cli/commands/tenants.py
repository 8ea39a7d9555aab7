"""``agentflow tenants``: organisations, members and invitations."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.commands.users import find_id
from agentflow.entrypoints.cli.exits import CliError
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
def enter(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the organisation, or its id.")],
    user: Annotated[str, typer.Option("--user", help="Name to sign in with.")] = "owner",
    code: Annotated[str | None, typer.Option("--code", help="Code of the second factor, where the account has one.")] = None,
    key_name: Annotated[str, typer.Option("--key-name", help="What the key is called.")] = "command line",
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Get a key for working in another organisation.

    A key stays in the organisation that it was made in, so this signs in: the password is asked for, or read from standard input. The key is
    written to standard output; commands take it from `AGENTFLOW_API_KEY`, with --server.
    """
    from agentflow.entrypoints.cli.passwords import ask_present
    from agentflow.entrypoints.cli.sync import with_client

    password = ask_present(f"Password of {user}: ")

    async def work(client: "ApiClient") -> str:
        signed = await client.post("/auth/login", {"username": user, "password": password or "", **({"code": code} if code else {})})
        client.speak_with(signed["access_token"])
        known = (await client.get("/tenants", limit=200))["items"]
        wanted = next((item["id"] for item in known if name in (item["id"], item["name"])), name)
        client.speak_with((await client.post("/auth/tenant", {"tenant_id": wanted}))["access_token"])
        made = await client.post("/api-keys", {"name": key_name})
        await client.post("/auth/logout")
        return str(made["secret"])

    secret = with_client(server, data_dir, work)
    Printer().step(f"A key of {user} in {name}, shown this once:")
    Printer().line(secret)


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


@app.command()
def usage(
    tenant: Annotated[str, typer.Argument(metavar="[TENANT]", help="Id of the organisation.")] = "current",
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what an organisation uses of its quotas."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.get(f"/tenants/{tenant}/usage"))
    if as_json:
        emit_json(found)
        return
    quotas, used = found["quotas"], found["used"]
    Printer().table(
        ("QUOTA", "USED", "MOST"), ([name, used.get(name, "-"), "-" if most is None else most] for name, most in quotas.items())
    )


@app.command()
def update(
    tenant: Annotated[str, typer.Argument(metavar="[TENANT]", help="Id of the organisation.")] = "current",
    name: Annotated[str | None, typer.Option("--name", help="Its name from now on.")] = None,
    second_factor: Annotated[
        bool | None,
        typer.Option("--demand-second-factor/--no-second-factor", help="Whether members who sign in have to have a second factor."),
    ] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Rename an organisation, or say what it demands of who signs in."""
    from agentflow.entrypoints.cli.sync import with_client

    changes = {"name": name, "second_factor_required": second_factor}
    given = {field: value for field, value in changes.items() if value is not None}
    changed = with_client(server, data_dir, lambda client: client.patch(f"/tenants/{tenant}", given))
    if as_json:
        emit_json(changed)
        return
    demand = "demands a second factor" if changed["second_factor_required"] else "demands no second factor"
    Printer().line(f"{changed['name']} {demand}")


@app.command("set-quotas")
def set_quotas(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Id of the organisation.")],
    quota: Annotated[
        list[str], typer.Option("--quota", metavar="NAME=N", help="A quota, as runs_per_day=1000; NAME=none lifts it. Repeatable.")
    ],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change what an organisation may use; quotas that are not named stay."""
    from agentflow.entrypoints.cli.sync import with_client

    changes = dict(map(_quota, quota))

    async def work(client: "ApiClient") -> dict[str, Any]:
        before = await client.get(f"/tenants/{tenant}")
        changed: dict[str, Any] = await client.patch(f"/tenants/{tenant}", {"quotas": {**before["quotas"], **changes}})
        return changed

    changed = with_client(server, data_dir, work)
    if as_json:
        emit_json(changed)
        return
    Printer().table(("QUOTA", "MOST"), ([name, "-" if most is None else most] for name, most in changed["quotas"].items()))


def _quota(text: str) -> tuple[str, int | None]:
    name, _, number = text.partition("=")
    if number == "none":
        return name, None
    if not number.isdecimal():
        raise CliError(f"{text} is no quota.", hint="Write --quota runs_per_day=1000, or --quota runs_per_day=none.")
    return name, int(number)
