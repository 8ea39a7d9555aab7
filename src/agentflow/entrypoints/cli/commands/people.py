"""``agentflow runs inbox | answer``: what runs wait for, and answering it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.inputs import parse_inputs
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient


def inbox(
    assignee: Annotated[str, typer.Option("--assignee", help="me, or one assignee: user:…, role:…, group:….")] = "me",
    workflow: Annotated[str | None, typer.Option("--workflow", help="Only runs of this workflow, by id or name.")] = None,
    limit: Limit = 20,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for an answer, newest first."""
    from agentflow.entrypoints.cli.asking import title
    from agentflow.entrypoints.cli.sync import with_client

    query = {"status": "open", "assignee": assignee, "workflow": workflow, "limit": limit}
    page = with_client(server, data_dir, lambda client: client.get("/interrupts", **query))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("RUN", "NODE", "WORKFLOW", "KIND", "QUESTION", "ASSIGNEES", "EXPIRES"),
        (
            [
                item["run_id"],
                item["node_id"],
                item["workflow_name"],
                item["kind"],
                title(item),
                ", ".join(item["assignees"]) or "-",
                item["expires_at"] or "-",
            ]
            for item in page["items"]
        ),
    )


def answer(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")],
    node: Annotated[str | None, typer.Argument(metavar="[NODE]", help="The node that waits; may be left out when only one does.")] = None,
    decision: Annotated[str | None, typer.Option("--decision", help="One of the choices; may be left out when there is only one.")] = None,
    value: Annotated[
        list[str] | None, typer.Option("--value", metavar="K=V", help="A value of a form; k:=JSON for a JSON value. Repeatable.")
    ] = None,
    values: Annotated[str | None, typer.Option("--values", metavar="JSON", help="All values as one JSON value.")] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="Words for the record.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Answer what a run waits for.

    Without --server the run goes on inside this process, and the command ends when it ends or waits again.
    """
    from agentflow.entrypoints.cli.commands.run import finish
    from agentflow.entrypoints.cli.sync import with_client

    body: dict[str, Any] = {"node_id": node, "decision": decision, "comment": comment, "values": _values(value, values)}
    printer = None if as_json else Printer()

    async def work(client: "ApiClient") -> dict[str, Any]:
        from agentflow.entrypoints.cli.watching import Watch, last_seq

        after = await last_seq(client, run)
        answered: dict[str, Any] = await client.post(f"/runs/{run}/interrupt", body)
        if server is not None:
            return answered
        return await Watch(client, run, printer, asks=False).to_the_end(after)

    result = with_client(server, data_dir, work)
    if server is None:
        finish(result, as_json=as_json)
    elif as_json:
        emit_json(result)
    else:
        Printer().line(f"run {result['id']} {result['status']}")


def _values(pairs: list[str] | None, text: str | None) -> Any:
    from agentflow.kit import json

    if pairs and text is not None:
        raise CliError("--value and --values exclude each other.", hint="Give all values with --values, or each with --value.")
    if text is None:
        return parse_inputs(pairs) if pairs else None
    try:
        return json.loads(text)
    except json.InvalidJson as error:
        raise CliError(f"--values is not followed by JSON: {error}") from error
