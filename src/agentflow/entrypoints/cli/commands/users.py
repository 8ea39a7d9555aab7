"""``agentflow users``: the accounts that an organisation administers."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Administer accounts.", no_args_is_help=True, rich_markup_mode=None)

User = Annotated[str, typer.Argument(metavar="USER", help="Name of the user, or its id.")]


@app.command("list")
def list_(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the accounts that the organisation administers."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/users", limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "KIND", "EMAIL", "ROLES", "STATE"),
        (
            [item["id"], item["username"], item["kind"], item["email"], ",".join(item["roles"]), "shut" if item["is_disabled"] else "open"]
            for item in page["items"]
        ),
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with.")],
    role: Annotated[list[str], typer.Option("--role", help="A role; repeatable.")],
    email: Annotated[str | None, typer.Option("--email", help="Mail address.")] = None,
    service: Annotated[bool, typer.Option("--service", help="A service account: no password, only keys.")] = False,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an account.

    The first password of a person is asked for, or read from standard input.
    """
    from agentflow.entrypoints.cli.passwords import ask_password
    from agentflow.entrypoints.cli.sync import with_client

    body: dict[str, Any] = {"username": name, "roles": role, "kind": "service" if service else "person"}
    body |= {} if email is None else {"email": email}
    body |= {} if service else {"password": ask_password(f"First password of {name}")}
    made = with_client(server, data_dir, lambda client: client.post("/users", body))
    if as_json:
        emit_json(made)
    else:
        Printer().line(f"user {made['id']} {made['username']}")


@app.command()
def password(user: User, server: Server = None, data_dir: DataDir = None) -> None:
    """Set a new password of an account.

    It is asked for, or read from standard input. One's own needs the present one too, unless there is none yet, as after the first start.
    """
    from agentflow.entrypoints.cli.passwords import ask_password, ask_present
    from agentflow.entrypoints.cli.sync import with_client

    new = ask_password(f"New password of {user}")

    async def work(client: "ApiClient") -> None:
        me = await client.get("/auth/me")
        if user in (me["username"], me["user_id"]):
            await client.put("/auth/password", {"new_password": new, "current_password": ask_present()})
        else:
            await client.patch(f"/users/{await _id(client, user)}", {"password": new})

    with_client(server, data_dir, work)
    Printer().line(f"{user} has a new password")


@app.command()
def disable(user: User, server: Server = None, data_dir: DataDir = None) -> None:
    """Shut an account: no key or session of it works then."""
    _set(user, server, data_dir, {"is_disabled": True}, "is shut")


@app.command()
def enable(user: User, server: Server = None, data_dir: DataDir = None) -> None:
    """Open an account again."""
    _set(user, server, data_dir, {"is_disabled": False}, "is open")


@app.command()
def delete(user: User, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete an account with its sessions and keys; what it made stays."""
    from agentflow.entrypoints.cli.sync import with_client

    async def work(client: "ApiClient") -> None:
        await client.delete(f"/users/{await _id(client, user)}")

    with_client(server, data_dir, work)
    Printer().line(f"{user} is deleted")


def _set(user: str, server: Any, data_dir: Any, body: dict[str, Any], done: str) -> None:
    from agentflow.entrypoints.cli.sync import with_client

    async def work(client: "ApiClient") -> None:
        await client.patch(f"/users/{await _id(client, user)}", body)

    with_client(server, data_dir, work)
    Printer().line(f"{user} {done}")


async def _id(client: "ApiClient", user: str) -> str:
    return await find_id(client, "/users", "username", user)


async def find_id(client: "ApiClient", path: str, field: str, wanted: str) -> str:
    """Return the id of the item of a list that has ``wanted`` as its ``field`` or id.

    Raises:
        CliError: there is none.
    """
    query: dict[str, Any] = {"limit": 200}
    while True:
        page = await client.get(path, **query)
        for item in page["items"]:
            found: str = item.get("id") or item["user_id"]
            if wanted in (item[field], found):
                return found
        if not page.get("next_cursor"):
            raise CliError(
                f"There is no {wanted}.", hint=f"`agentflow{path.rpartition('/')[0].replace('/current', '')} list` shows what there is."
            )
        query["cursor"] = page["next_cursor"]
