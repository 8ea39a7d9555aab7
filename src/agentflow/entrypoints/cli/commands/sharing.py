"""``agentflow workflows share | unshare``: who sees a workflow."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.options import AsJson, DataDir, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of the workflow, or its name.")]


class Seen(StrEnum):
    """How far a workflow can be seen."""

    PRIVATE = "private"
    ORGANISATION = "organisation"
    PUBLIC = "public"


def share(
    workflow: Workflow,
    visibility: Annotated[Seen | None, typer.Option("--visibility", help="How far it is to be seen.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Share it with this member.")] = None,
    team: Annotated[str | None, typer.Option("--team", help="Share it with this team.")] = None,
    link: Annotated[bool, typer.Option("--link", help="Make a link to it; its token is shown this once.")] = False,
    role: Annotated[str, typer.Option("--role", help="What they may do: a role.")] = "viewer",
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="When it ends, as 2030-01-01T00:00:00Z.")] = None,
    uses: Annotated[int | None, typer.Option("--uses", min=1, help="How often the link opens.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Share a workflow: with a member, a team, the organisation, everybody, or whoever has a link.

    Without an option it shows who sees it.
    """
    from agentflow.entrypoints.cli.sync import with_client

    if sum((visibility is not None, user is not None, team is not None, link)) > 1:
        raise CliError("--visibility, --user, --team and --link exclude each other.", hint="Give one command for each.")
    path, ends = f"/workflows/{quote(workflow, safe='')}", {} if until is None else {"expires_at": until}
    if visibility is not None:
        done = with_client(server, data_dir, lambda client: client.put(f"{path}/share", {"visibility": visibility.value}))
    elif user is not None or team is not None:
        whom = {"user": user} if user is not None else {"team": team}
        done = with_client(server, data_dir, lambda client: client.post(f"{path}/share", {**whom, "role": role, **ends}))
    elif link:
        most = {} if uses is None else {"max_uses": uses}
        done = with_client(server, data_dir, lambda client: client.post(f"{path}/links", {"role": role, **ends, **most}))
    else:
        done = with_client(server, data_dir, lambda client: client.get(f"{path}/share"))
    if as_json:
        emit_json(done)
    else:
        _show(Printer(), done)


def _show(printer: Printer, done: dict[str, Any]) -> None:
    if "token" in done:
        printer.step(f"link {done['id']}, role {done['role']}, ends {done['expires_at'] or 'never'}:")
        printer.line(done["url"])
    elif "visibility" not in done:
        printer.line(f"share {done['id']}: {done['grantee_kind']} {done['name']}, role {done['role']}")
    else:
        printer.line(f"workflow {done['workflow_id']}: {done['visibility']}")
        if done["public_url"]:
            printer.line(done["public_url"])
        rows = [[item["id"], item["grantee_kind"], item["name"], item["role"], item["expires_at"]] for item in done["shares"]]
        rows += [[item["id"], "link", f"{item['uses']} uses", item["role"], item["expires_at"]] for item in done["links"]]
        if rows:
            printer.table(("ID", "WITH", "NAME", "ROLE", "UNTIL"), rows)


def unshare(
    workflow: Workflow,
    share_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a share or link, as `share` lists them.")],
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Take a share or a link back."""
    from agentflow.entrypoints.cli.sync import with_client

    path = f"/workflows/{quote(workflow, safe='')}"

    async def work(client: "ApiClient") -> None:
        sharing = await client.get(f"{path}/share")
        kind = "links" if any(item["id"] == share_id for item in sharing["links"]) else "share"
        await client.delete(f"{path}/{kind}/{quote(share_id, safe='')}")

    with_client(server, data_dir, work)
    Printer().line(f"{share_id} taken back")
