"""``agentflow workflows``: stored workflows."""

from typing import Annotated, Any

import typer

from agentflow.entrypoints.cli.commands import sharing, transfer
from agentflow.entrypoints.cli.exits import Exit
from agentflow.entrypoints.cli.files import read_object
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

app = typer.Typer(help="Store workflows and look at them.", no_args_is_help=True, rich_markup_mode=None)

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Id of the workflow, or its name.")]


@app.command("list")
def list_(
    public: Annotated[bool, typer.Option("--public", help="The public ones of all organisations.")] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Only those that others shared with you.")] = False,
    limit: Limit = 50,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the stored workflows."""
    from agentflow.entrypoints.cli.sync import with_client

    path, owner = "/shared/workflows" if public else "/workflows", "others" if shared and not public else None
    page = with_client(server, data_dir, lambda client: client.get(path, limit=limit, owner=owner))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "VERSION", "UPDATED"), ([item["id"], item["name"], item["version"], item["updated_at"]] for item in page["items"])
    )


@app.command()
def show(workflow: Workflow, server: Server = None, data_dir: DataDir = None) -> None:
    """Print a stored workflow as JSON."""
    from agentflow.entrypoints.cli.sync import with_client

    emit_json(with_client(server, data_dir, lambda client: client.get(f"/workflows/{workflow}")))


@app.command()
def create(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Specification in JSON (or YAML, by its suffix); - reads standard input.")],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Store a specification as a new workflow."""
    from agentflow.entrypoints.cli.sync import with_client

    spec = read_object(file, Exit.INVALID_SPEC)
    stored: dict[str, Any] = with_client(server, data_dir, lambda client: client.post("/workflows", {"spec": spec}))
    if as_json:
        emit_json(stored)
    else:
        Printer().line(f"workflow {stored['id']} {stored['name']}, version {stored['version']}")


@app.command()
def delete(workflow: Workflow, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a stored workflow.

    Its runs stay, and the API can restore it.
    """
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/workflows/{workflow}"))
    Printer().line(f"workflow {workflow} deleted")


app.command("export")(transfer.export)
app.command("import")(transfer.import_)
app.command("confirm")(transfer.confirm)
app.command("fork")(transfer.fork)
app.command("share")(sharing.share)
app.command("unshare")(sharing.unshare)
