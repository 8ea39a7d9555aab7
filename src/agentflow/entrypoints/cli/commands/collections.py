"""``agentflow collections``: documents that workflows search."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.files import read_bytes
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Store documents and search them.", no_args_is_help=True, rich_markup_mode=None)

Collection = Annotated[str, typer.Argument(metavar="COLLECTION", help="Id of the collection, or its name.")]


@app.command("list")
def list_(limit: Limit = 50, server: Server = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the collections."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/collections", limit=limit))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ID", "NAME", "DOCUMENTS", "MODEL"),
        ([item["id"], item["name"], item["document_count"], item["embedding_model"]] for item in page["items"]),
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new collection.")],
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Make a collection."""
    from agentflow.entrypoints.cli.sync import with_client

    made = with_client(server, data_dir, lambda client: client.post("/collections", {"name": name}))
    Printer().line(f"collection {made['id']} {made['name']}")


@app.command()
def add(
    collection: Collection,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Text, Markdown, HTML or PDF files.")],
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Add files to a collection.

    A file of the same name replaces the one there.
    """
    from agentflow.entrypoints.cli.sync import with_client

    contents = [(str(file), read_bytes(str(file))) for file in files]

    async def upload(client: "ApiClient") -> None:
        for name, content in contents:
            stored = (await client.upload_file(f"/collections/{collection}/documents", name, content))["items"][0]
            Printer().line(f"{stored['id']}: {stored['chunk_count']} passages")

    with_client(server, data_dir, upload)


@app.command()
def search(
    collection: Collection,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")],
    top_k: Annotated[int, typer.Option("--top-k", min=1, max=100, help="How many passages.")] = 5,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Find the passages nearest in meaning."""
    from agentflow.entrypoints.cli.sync import with_client

    if not query.strip():
        raise CliError("The query is empty.")
    body = {"query": query, "top_k": top_k}
    found: dict[str, Any] = with_client(server, data_dir, lambda client: client.post(f"/collections/{collection}/search", body))
    if as_json:
        emit_json(found)
        return
    Printer().table(("SCORE", "DOCUMENT", "PASSAGE"), ([f"{m['score']:.2f}", m["document_id"], m["text"][:200]] for m in found["matches"]))
