"""``agentflow doctor``: what is wrong with this installation, and with runs that do not move."""

import asyncio

import typer

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.exits import Exit
from agentflow.entrypoints.cli.options import AsJson, DataDir
from agentflow.entrypoints.cli.printer import Printer, emit_json

_MARKS = {"ok": ("✓", ""), "warning": ("!", "yellow"), "failed": ("✗", "red")}


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Find out what is wrong.

    Looks at the data folder and its disk, the object store, the owner's key, the database, its schema and its clock, workers with their
    versions and clocks, Redis, the broker and its queue, the events of runs, the local models and the port, and explains runs that are
    stuck; exit code 1 when something is broken.
    """
    from agentflow.entrypoints.cli import diagnosis, storage_checks

    settings = load_settings(data_dir)
    findings = [
        diagnosis.interpreter(),
        diagnosis.data_folder(settings),
        diagnosis.owner_key(settings),
        *diagnosis.local_models(),
        diagnosis.port(settings),
        storage_checks.disk(settings),
        asyncio.run(storage_checks.object_store(settings)),
        *asyncio.run(diagnosis.database(settings)),
        *asyncio.run(diagnosis.servers(settings)),
    ]
    if as_json:
        emit_json([finding.to_json() for finding in findings])
    else:
        printer = Printer()
        for finding in findings:
            mark, style = _MARKS[finding.verdict]
            printer.line(f"{mark} {finding.check}: {finding.message}{f' ({finding.hint})' if finding.hint else ''}", style)
    if any(finding.verdict is diagnosis.Verdict.FAILED for finding in findings):
        raise typer.Exit(Exit.RUN_FAILED)
