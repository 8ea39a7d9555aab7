"""``agentflow artifacts``: send files, look at them, download them, hand out links, and delete them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.files import read_bytes
from agentflow.entrypoints.cli.options import AsJson, DataDir, Limit, Server
from agentflow.entrypoints.cli.printer import Printer, emit_json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

app = typer.Typer(help="Send and fetch files.", no_args_is_help=True, rich_markup_mode=None)

ArtifactId = Annotated[str, typer.Argument(metavar="ARTIFACT", help="Id of the artifact.")]


@app.command("list")
def list_(
    run: Annotated[str | None, typer.Option("--run", help="The large values of this run, instead of the files that were sent.")] = None,
    limit: Limit = 20,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the files, newest first."""
    from agentflow.entrypoints.cli.sync import with_client

    page = with_client(server, data_dir, lambda client: client.get("/artifacts", limit=limit, run_id=run, sort="id:desc"))
    if as_json:
        emit_json(page)
        return
    Printer().table(
        ("ARTIFACT", "NAME", "TYPE", "BYTES", "CREATED", "EXPIRES"),
        (
            [item["id"], item["name"], item["content_type"], item["size"], item["created_at"], item["expires_at"] or "-"]
            for item in page["items"]
        ),
    )


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to send.")],
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send files."""
    from agentflow.entrypoints.cli.sync import with_client

    contents = [(file.name, read_bytes(str(file))) for file in files]

    async def upload(client: "ApiClient") -> None:
        for name, content in contents:
            made = await client.upload_file("/artifacts", name, content)
            if as_json:
                emit_json(made)
            else:
                Printer().line(f"{made['id']} {made['name']}, {made['size']} bytes")

    with_client(server, data_dir, upload)


@app.command()
def get(
    artifact: ArtifactId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to save it: a file, or a folder; without it, under its name here.")
    ] = None,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Download a file.

    An existing file is not overwritten.
    """
    from agentflow.entrypoints.cli.sync import with_client

    async def download(client: "ApiClient") -> None:
        known = await client.get(f"/artifacts/{artifact}")
        path = _target(output, str(known["name"]))
        with _new(path) as file:
            try:
                size = await client.save(f"/artifacts/{artifact}/content", file)
            except BaseException:
                path.unlink()
                raise
        Printer().line(f"{path}, {size} bytes")

    with_client(server, data_dir, download)


def _target(output: Path | None, name: str) -> Path:
    if output is not None and not output.is_dir():
        return output
    # The server keeps separators out of names; a name that is none of a file is not taken from it all the same.
    plain = Path(name).name
    if plain in {"", ".", ".."}:
        raise CliError(f"The artifact's name {name!r} is none of a file.", hint="Say with --output where to save it.")
    return (output or Path()) / plain


def _new(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError as error:
        raise CliError(f"{path} exists.", hint="Choose another file with --output.") from error
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror or error}.") from error


@app.command()
def link(
    artifact: ArtifactId,
    expires_in: Annotated[int, typer.Option("--expires-in", min=1, max=604_800, help="Seconds until the link ends.")] = 3_600,
    server: Server = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a link by which anybody can download a file for a while."""
    from agentflow.entrypoints.cli.sync import with_client

    found = with_client(server, data_dir, lambda client: client.post(f"/artifacts/{artifact}/link", {"expires_in_s": expires_in}))
    if as_json:
        emit_json(found)
        return
    url = found["url"] if server is None or "://" in found["url"] else server.rstrip("/") + found["url"]
    Printer().line(url)


@app.command()
def delete(artifact: ArtifactId, server: Server = None, data_dir: DataDir = None) -> None:
    """Delete a file."""
    from agentflow.entrypoints.cli.sync import with_client

    with_client(server, data_dir, lambda client: client.delete(f"/artifacts/{artifact}"))
    Printer().line(f"artifact {artifact} deleted")
