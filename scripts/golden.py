"""Makes the golden store of this version: its databases with a run in each state, for tests of later versions to take up.

`python -m scripts.golden NAME` writes tests/golden/NAME; run it in a checkout of the release. PostgreSQL is the one of the tests.
"""

import asyncio
import gzip
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from agentflow.config.settings import Settings
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.runtime.runs.service import RunService
from agentflow.runtime.states import EventType
from tests.databases import new_postgres
from tests.golden.forms import BREAKPOINT, FORMS, QUEUED, Form, prepare
from tests.runtime.support import SUBJECT, World

FOLDER = Path(__file__).parents[1] / "tests" / "golden"


async def fill(settings: Settings) -> list[dict[str, Any]]:
    """Migrate an empty database, leave a run of each form in it, and return what each must come to."""
    database = Database(settings.database)
    await migrate.upgrade(database)
    await database.close()
    world = World(settings)
    prepare(world)
    forms = {"breakpoint": BREAKPOINT} | FORMS
    ids = {}
    async with world.runtime(shutdown_grace_s=0) as runs:
        ids["attention"] = (await runs.start_inline(SUBJECT, forms["attention"].spec, {})).id
        await world.once.arrival("once").wait()
    # The next owner finds the effect whose outcome nobody knows. What ended or waits leaves its place, and a child needs none.
    async with world.runtime(shutdown_grace_s=0, max_concurrent_runs=len(FORMS) - 2) as runs:
        await _parked(runs, ids["attention"])
        for name, form in forms.items():
            if name not in ids:
                ids[name] = await _start(world, runs, form)
        ids["queued"] = (await runs.start_inline(SUBJECT, QUEUED.spec, {})).id
    return [
        {"id": ids[name], "form": name, "outputs": form.outputs, "done": list(form.done)}
        for name, form in (forms | {"queued": QUEUED}).items()
    ]


async def _start(world: World, runs: RunService, form: Form) -> str:
    run = await runs.start_inline(SUBJECT, form.spec, {}, options=form.options)
    for gate in form.held:
        await world.probe.arrival(gate).wait()
    if form.options:
        await _parked(runs, run.id)
    elif not form.held:
        await runs.wait(SUBJECT, run.id, 30)
    return str(run.id)


async def _parked(runs: RunService, run_id: str) -> None:
    async for event in runs.follow(SUBJECT, run_id):
        if event.type == EventType.RUN_WAITING:
            return


@contextmanager
def _settings(kind: str, folder: Path) -> Iterator[Settings]:
    with new_postgres() if kind == "postgresql" else nullcontext() as url:
        yield Settings(data_dir=folder, database_url=url)


def main(name: str) -> None:
    """Write the store of both databases."""
    target = FOLDER / name
    target.mkdir(exist_ok=True)
    manifest: dict[str, Any] = {"tenant_id": SUBJECT.tenant_id, "user_id": SUBJECT.user_id, "schema": migrate.HEAD}
    for kind in ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as folder, _settings(kind, Path(folder)) as settings:
            manifest[kind] = asyncio.run(fill(settings))
            if settings.database_url is None:
                _pack(Path(folder) / "agentflow.db", target)
            else:
                command = ["pg_dump", "--inserts", "--no-owner", "--no-comments", settings.database_url]
                text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                (target / "postgresql.sql").write_text(
                    "".join(line for line in text.splitlines(keepends=True) if not line.startswith("\\"))
                )
    (target / "runs.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _pack(store: Path, target: Path) -> None:
    copy = store.with_suffix(".copy")
    connection = sqlite3.connect(store)
    connection.execute("VACUUM INTO ?", (str(copy),))
    connection.close()
    (target / "sqlite.db.gz").write_bytes(gzip.compress(copy.read_bytes(), mtime=0))


if __name__ == "__main__":
    main(sys.argv[1])
