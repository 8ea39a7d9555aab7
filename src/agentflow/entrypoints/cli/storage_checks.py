"""What `agentflow doctor` says of storage: the object store, the room on the disk, and what a SQLite file could give back."""

import shutil
from pathlib import Path

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.diagnosis import Finding, Verdict
from agentflow.errors import AgentFlowError

LOW_BYTES = 500_000_000
"""Free space below which the disk is called nearly full."""
_MB = 1_000_000


async def object_store(settings: Settings) -> Finding:
    """Look whether large values and artifacts can be stored."""
    from agentflow.infra.objects.objects import open_objects

    if settings.object_store_url is None and not settings.data_dir.exists():
        return Finding("object store", Verdict.OK, "files in the data folder; the first start makes it")
    try:
        objects = open_objects(settings)
    except AgentFlowError as error:
        return Finding("object store", Verdict.FAILED, error.message, error.hint)
    try:
        await objects.check()
    except AgentFlowError as error:
        return Finding("object store", Verdict.FAILED, error.message, error.hint)
    finally:
        await objects.close()
    return Finding("object store", Verdict.OK, objects.place)


def disk(settings: Settings) -> Finding:
    """Look how much room the data folder has, and how large a SQLite database is."""
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    message = f"{free // _MB:,} MB free{_database_size(settings)}"
    if free < LOW_BYTES:
        hint = (
            "Free some space, keep fewer runs (AGENTFLOW_RETENTION_MAX_AGE_DAYS, AGENTFLOW_RETENTION_MAX_RUNS), or `agentflow runs prune`."
        )
        return Finding("disk", Verdict.WARNING, message, hint)
    return Finding("disk", Verdict.OK, message)


def _database_size(settings: Settings) -> str:
    from agentflow.infra.db.engine import database_url

    url = database_url(settings.database)
    if url.get_backend_name() != "sqlite" or not url.database or not Path(url.database).exists():
        return ""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as connection:
            names = ("page_size", "page_count", "freelist_count")
            # The constants above.
            # ast-grep-ignore: no-built-sql
            size, pages, unused = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    except sqlite3.DatabaseError:
        return ", the database cannot be read"
    reused = f", {unused * size // _MB:,} MB of it free for reuse" if unused else ""
    return f", the database has {pages * size // _MB:,} MB{reused}"
