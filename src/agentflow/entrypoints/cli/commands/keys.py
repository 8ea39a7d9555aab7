"""``agentflow keys``: API keys."""

from typing import Annotated, Any

import typer

from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

app = typer.Typer(help="Make, rotate and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)

Key = Annotated[str, typer.Argument(metavar="KEY", help="Id of the key.")]


@app.command("list")
def list_(
    everybody: Annotated[bool, typer.Option("--everybody", help="Those of everybody in the organisation.")] = False,
    limit: Limit = 50,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/api-keys", limit=limit, everybody=everybody or None))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "PREFIX", "USER", "SCOPES", "ROTATE BY", "LAST USED", "STATE"),
        (
            [
                item["id"],
                item["name"],
                item["prefix"],
                item["username"],
                "all" if item["scopes"] is None else ",".join(item["scopes"]),
                item["rotate_by"],
                item["last_used_at"],
                "revoked" if item["revoked_at"] else "good",
            ]
            for item in page["items"]
        ),
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it may do at most; all its user may without. Repeatable.")
    ] = None,
    expires_at: Annotated[str | None, typer.Option("--expires-at", metavar="TIME", help="When it ends: 2030-01-01T00:00:00Z.")] = None,
    rotation_days: Annotated[int | None, typer.Option("--rotation-days", min=0, help="Days to its rotation; 0 for never.")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A service account that it is for.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key.

    Its secret is written to standard output, this once: only its hash is kept.
    """
    from agentflow.entrypoints.cli.sync import with_client

    given = {"scopes": scope, "expires_at": expires_at, "rotation_days": rotation_days, "user_id": user}
    body = {"name": name, **{field: value for field, value in given.items() if value is not None}}
    _show(with_client(server, data_dir, lambda client: client.post("/api-keys", body)), as_json=as_json)


@app.command()
def rotate(
    key: Key,
    grace_days: Annotated[float | None, typer.Option("--grace-days", min=0, help="Days for which the old secret works on.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret.

    The old one works on for the days of grace.
    """
    from agentflow.entrypoints.cli.sync import with_client

    body = {} if grace_days is None else {"grace_days": grace_days}
    _show(with_client(server, data_dir, lambda client: client.post(f"/api-keys/{key}/rotate", body)), as_json=as_json)


@app.command()
def revoke(key: Key, server: Server = None, data_dir: DataDir = None) -> None:
    """Make a key worthless for good."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/api-keys/{key}"))
    Printer().line(f"key {key} is revoked")


def _show(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit_json(made)
        return
    printer = Printer()
    printer.step(f"key {made['id']} {made['name']}; its secret is shown this once:")
    printer.line(made["secret"])
