"""The options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Server = Annotated[
    str | None,
    typer.Option("--server", envvar="AGENTFLOW_SERVER", metavar="URL", help="Work against this server instead of inside this process."),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Folder of the database and the owner's key; default ./.agentflow."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines, nothing else.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many to list.")]
