"""``agentflow version``."""

import typer

from agentflow import __version__


def version() -> None:
    """Print the version."""
    typer.echo(__version__)
