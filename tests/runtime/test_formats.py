"""Runs of another engine format: a worker that does not know it leaves the run alone, and says so."""

from sqlalchemy import update

from agentflow.compiler.formats import CURRENT, FORMATS
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import SystemClock
from agentflow.runtime.queue.stuck import Detective
from agentflow.runtime.records.models import RunRow
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of

UNKNOWN = 99


async def set_format(world: World, run_id: str, engine_format: int) -> None:
    database = Database(world.settings.database)
    async with database.connection() as connection:
        await connection.execute(update(RunRow).where(RunRow.id == run_id).values(engine_format=engine_format))
    await database.close()


def test_runs_begin_in_the_newest_format():
    """What new runs are pinned to is known, and the newest there is."""
    assert max(FORMATS) == CURRENT


async def test_a_run_of_an_unknown_format_is_left_to_a_worker_that_knows_it(world: World):
    """It is neither taken up nor spoiled: when its format is known again it goes on; meanwhile others run."""
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a", value=1), probe("b", wait_for="gate", value=2)], ["a>b"]), {})
        await world.probe.arrival("gate").wait()
    await set_format(world, run.id, UNKNOWN)
    world.probe.gate("gate").set()
    async with world.runtime(sweep_interval_s=0.1) as runs:
        before = await runs.get(SUBJECT, run.id)
        assert (await run_to_end(runs, spec_of([probe("c", value=3)]))).status == "succeeded"
        await runs.cancel(SUBJECT, run.id)
        after = await runs.get(SUBJECT, run.id)
    assert (after.status, after.attempts) == (before.status, before.attempts)
    assert world.probe.runs["b"] == 1
    database = Database(world.settings.database)
    (stuck,) = await Detective(database, SystemClock(), world.settings).stuck()
    await database.close()
    (reason,) = stuck.reasons
    assert stuck.run.id == run.id
    assert reason.message == f"The run is of engine format {UNKNOWN}; this version knows 1."
    assert "upgrade" in (reason.hint or "")


async def test_a_run_is_finished_by_the_rules_of_its_format(world: World, monkeypatch):
    """The plan of a run is made by the builder of the format that it began with, whatever the newest is."""
    built: list[int] = []
    first = FORMATS[CURRENT]

    def builder(engine_format: int):
        def build(*arguments):
            built.append(engine_format)
            return first(*arguments)

        return build

    monkeypatch.setattr("agentflow.runtime.execution.plans.FORMATS", {CURRENT: builder(CURRENT), UNKNOWN: builder(UNKNOWN)})
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a", wait_for="gate", value=2)]), {})
        await world.probe.arrival("gate").wait()
    await set_format(world, run.id, UNKNOWN)
    monkeypatch.setattr("agentflow.runtime.queue.claims.KNOWN", RunRow.engine_format.in_([CURRENT, UNKNOWN]))
    monkeypatch.setattr("agentflow.runtime.queue.claims.KNOWN_SQL", f"engine_format IN ({CURRENT}, {UNKNOWN})")
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        assert (await runs.wait(SUBJECT, run.id, 10)).outputs == 2
    assert built == [CURRENT, UNKNOWN]
