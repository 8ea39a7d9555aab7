"""Stores of earlier versions, migrated and taken up: every run comes to its right end, and nothing that had finished runs again."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, event, func, inspect, select, text

from agentflow.config.settings import Settings
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.runs.service import RunService
from agentflow.runtime.states import TERMINAL
from scripts.golden import fill
from tests.databases import KINDS, new_postgres
from tests.golden.forms import Open, prepare
from tests.runtime.support import SUBJECT, ShiftedClock, World

FOLDER = Path(__file__).parent
SINCE = timedelta(minutes=1)
"""How long ago the processes of a store have died, by the clock of the tests."""
RELEASES = sorted(path.parent.name for path in FOLDER.glob("*/runs.json"))


@pytest.fixture(autouse=True)
def no_run_is_left_without_a_live_lease() -> None:
    """Take the place of the fixture for all tests: 0.1 left such runs, and they are what is to be taken up."""


@dataclass(frozen=True)
class Store:
    """A store of some version, in a database of this test's own."""

    settings: Settings
    subject: Subject
    runs: list[dict[str, Any]]


def restored(release: str, settings: Settings) -> Store:
    """Bring a stored release into the empty database of ``settings``."""
    manifest = json.loads((FOLDER / release / "runs.json").read_text())
    if settings.database_url is None:
        packed = (FOLDER / release / "sqlite.db.gz").read_bytes()
        (settings.data_dir / "agentflow.db").write_bytes(gzip.decompress(packed))
    else:
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            connection.execute((FOLDER / release / "postgresql.sql").read_text())
    kind = "sqlite" if settings.database_url is None else "postgresql"
    return Store(settings, Subject(manifest["tenant_id"], manifest["user_id"], ALL_PERMISSIONS), manifest[kind])


@pytest.fixture(params=KINDS)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Give settings on an empty database."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path)
    else:
        with new_postgres() as url:
            yield Settings(data_dir=tmp_path, database_url=url)


async def taken_up(store: Store) -> None:
    """Let a runtime of this version find the runs, answer what they wait for, and see each come to its end."""
    world = World(store.settings)
    world.clock = clock = ShiftedClock()
    clock.ahead = await newest(store) + SINCE - clock.now()
    prepare(world)
    world.probe.gates = world.once.gates = Open()
    async with world.runtime() as runs:
        ends = await asyncio.gather(*[end(runs, store.subject, run) for run in store.runs])
    again = {node for run in store.runs for node in run["done"] if node in world.probe.runs}
    assert ends == [("succeeded", run["outputs"]) for run in store.runs]
    assert again == set()
    assert await left(store) == 0
    assert world.once.runs == {}


async def newest(store: Store) -> datetime:
    """Return when the last run was started: runs may take a day, and a store may be older than that."""
    database = Database(store.settings.database)
    async with database.reading() as session:
        found = await session.scalar(select(func.max(RunRow.created_at)))
    await database.close()
    assert found is not None
    return found


async def left(store: Store) -> int:
    """Return how many runs have not ended, children too."""
    database = Database(store.settings.database)
    async with database.reading() as session:
        count = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.status.not_in(list(TERMINAL))))
    await database.close()
    return int(count or 0)


async def end(runs: RunService, subject: Subject, run: dict[str, Any]) -> tuple[str, Any]:
    """Return how a run ends; what it asks is answered."""
    if run["form"] in {"attention", "breakpoint"}:
        await asked(runs, subject, run["id"])
        decision = {"attention": "done", "breakpoint": "continue"}[run["form"]]
        await runs.answer(subject, run["id"], None, {"decision": decision})
    ended = await runs.wait(subject, run["id"], 60)
    events = await runs.events(subject, run["id"])
    assert [item.seq for item in events] == list(range(1, len(events) + 1))
    outputs = {"outputs": ended.outputs["outputs"]} if run["form"] == "parent" and ended.outputs else ended.outputs
    return ended.status, outputs


async def asked(runs: RunService, subject: Subject, run_id: str) -> None:
    """Wait until a run asks in the way of this version; 0.1 has told of unknown outcomes without asking."""
    async for item in runs.follow(subject, run_id):
        if item.type.value == "interrupt.requested":
            break
    await runs.wait(subject, run_id, 60, or_parked=True)


async def migrated(settings: Settings) -> None:
    database = Database(settings.database)
    await migrate.upgrade(database)
    await database.close()


@pytest.mark.parametrize("release", RELEASES)
async def test_runs_of_an_earlier_release_come_to_their_end(settings: Settings, release: str) -> None:
    """Queued, in the middle of a chain, a loop, a map, branches and a child, waiting, unknown outcomes: all of them."""
    store = restored(release, settings)
    await migrated(settings)
    await taken_up(store)


async def test_runs_of_this_version_come_to_their_end(settings: Settings) -> None:
    """The store that this version would leave behind is taken up by itself."""
    runs = await fill(settings)
    await taken_up(Store(settings, SUBJECT, runs))


class Killed(Exception):
    """Ends a migration in the middle."""


async def attempt(database: Database, revision: str, kill_at: int) -> bool:
    """Migrate, but die before statement ``kill_at``; tells whether it got to its end."""
    count = 0

    def before(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == kill_at:
            raise Killed

    event.listen(Engine, "before_cursor_execute", before)  # migrations have an engine of their own
    try:
        await (migrate.upgrade(database) if revision == "head" else migrate.downgrade(database, revision))
    except Killed:
        return False
    finally:
        event.remove(Engine, "before_cursor_execute", before)
    return True


async def schema(database: Database) -> Any:
    def look(connection: Connection) -> Any:
        found = inspect(connection)
        return {
            name: [(column["name"], column["nullable"], column["default"]) for column in found.get_columns(name)]
            for name in found.get_table_names()
        }

    async with database.connection() as connection:
        return await connection.run_sync(look)


APART = 5
"""Statements between two kills: there are a hundred, and each kill compares the whole schema."""


@pytest.mark.parametrize("release", RELEASES)
async def test_a_migration_that_is_killed_leaves_the_store_as_it_was(settings: Settings, release: str) -> None:
    """Ended before one of its statements, up and down: the schema is the one before, and the next attempt goes through."""
    store = restored(release, settings)
    database = Database(settings.database)
    old = await migrate.current(database)
    assert old is not None
    before = await schema(database)
    for revision in ("head", old):
        start = await schema(database)
        kill_at = 1
        while not await attempt(database, revision, kill_at):
            assert await schema(database) == start
            kill_at += APART
        assert kill_at > 2 * APART
    assert await schema(database) == before
    await database.close()
    await migrated(settings)
    await migrated(settings)
    await taken_up(store)


@pytest.mark.parametrize("release", RELEASES)
async def test_an_older_process_can_go_on_writing(settings: Settings, release: str) -> None:
    """A migration only adds: every column of before is still there, and the new ones may be left out of an insert."""
    restored(release, settings)
    database = Database(settings.database)
    before = await schema(database)
    await migrate.upgrade(database)
    after = await schema(database)
    for table, columns in before.items():
        known = {name for name, _, _ in columns}
        assert known <= {name for name, _, _ in after[table]}
        assert [name for name, nullable, default in after[table] if name not in known and not nullable and default is None] == []
    async with database.connection() as connection:
        columns = ", ".join(name for name, _, _ in before["runs"] if name != "id")
        query = text(
            f"INSERT INTO runs (id, {columns}) SELECT :id, {columns} FROM runs WHERE idempotency_key IS NULL AND parent_run_id IS NULL LIMIT 1"
        )
        await connection.execute(query, {"id": bytes(16) if database.is_sqlite else "00000000-0000-0000-0000-000000000000"})
    await database.close()
