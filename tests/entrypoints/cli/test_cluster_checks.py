"""What `agentflow doctor` says about workers, the broker's queue and the events of runs."""

import asyncio
import os
from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli import cluster_checks
from agentflow.entrypoints.cli.diagnosis import Finding, Verdict, database
from agentflow.infra.celery.app import TASK, celery_app
from agentflow.infra.celery.backlog import waiting_hints
from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence
from agentflow.runtime.queue.signs import WorkerSign, read_sign, sign
from agentflow.runtime.records.models import EventPageRow
from tests.acceptance.cluster import BROKERS, NOBODY
from tests.runtime.support import ShiftedClock

SPEC = {"name": "x", "start_node": "a", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}]}


@pytest.fixture
def settings(settings_on_both: Settings) -> Settings:
    """Give settings of both databases."""
    return settings_on_both


async def doctor(settings: Settings) -> dict[str, Finding]:
    """Return what is found on a database, by what was looked at."""
    return {finding.check: finding for finding in await database(settings)}


async def test_a_healthy_installation_gets_no_advice(client, settings):
    """Its worker is of this version and on time, and its runs have all of their events."""
    assert (await client.post("/execute?wait=20", json={"spec": SPEC})).json()["status"] == "succeeded"
    found = await doctor(settings)
    assert {name: found[name].verdict for name in ("workers", "events", "clock")} == dict.fromkeys(
        ("workers", "events", "clock"), Verdict.OK
    )
    assert found["workers"].message == "1 alive"
    assert not {"worker versions", "worker clocks", "hints"} & set(found)


async def test_a_run_without_some_of_its_events_is_named(client, container, settings):
    """Lost at the begin or wholly: each is found, others are not named."""
    ids = [(await client.post("/execute?wait=20", json={"spec": SPEC})).json()["id"] for _ in range(3)]
    async with container.database.transaction() as session:
        await session.execute(delete(EventPageRow).where(EventPageRow.run_id == ids[0], EventPageRow.first_seq == 1))
        await session.execute(delete(EventPageRow).where(EventPageRow.run_id == ids[2]))
    finding = (await doctor(settings))["events"]
    assert finding.verdict is Verdict.FAILED
    assert [run_id in finding.message for run_id in ids] == [True, False, True]
    assert finding.hint is not None


async def test_a_worker_of_another_version_is_named(container, settings):
    """An upgrade that was left half-way."""
    owner = new_id()
    if container.database.is_sqlite:
        presence = FilePresence(settings.data_dir / "workers")
        await presence.announce(owner)
        path = settings.data_dir / "workers" / f"{owner}.lock"
        path.write_text("agentflow worker 0.0.9")
    else:
        presence = AdvisoryPresence(container.database, ShiftedClock())
        await presence.announce(owner)
        await presence._connection.execute(text("SELECT set_config('application_name', 'agentflow worker 0.0.9 clock +0.0', false)"))
    finding = (await doctor(settings))["worker versions"]
    await presence.withdraw()
    assert (finding.verdict, "0.0.9" in finding.message) == (Verdict.WARNING, True)
    assert "worker versions" not in await doctor(settings)


async def test_a_server_that_only_accepts_runs_is_no_worker(container, settings):
    """Beside a broker it drives none: where it alone lives, runs wait."""
    if container.database.is_sqlite:
        pytest.skip("a cluster needs PostgreSQL")
    presence = AdvisoryPresence(container.database, ShiftedClock(), drives=False)
    await presence.announce(new_id())
    assert (await doctor(settings))["workers"].message == "1 alive"
    await presence.withdraw()


async def test_a_worker_whose_clock_is_wrong_is_found(container, settings):
    """By how much it differs from the database's; each worker measures it again with each renewal."""
    if container.database.is_sqlite:
        pytest.skip("workers beside SQLite share the machine's clock")
    clock = ShiftedClock()
    presence = AdvisoryPresence(container.database, clock)
    await presence.announce(new_id())
    assert "worker clocks" not in await doctor(settings)
    clock.ahead = timedelta(seconds=7)
    await presence.keep()
    finding = (await doctor(settings))["worker clocks"]
    await presence.withdraw()
    assert (finding.verdict, finding.message) == (Verdict.FAILED, "one is +7.0 s from the database's")


@pytest.mark.parametrize("broker", BROKERS)
async def test_hints_that_nobody_takes_are_counted(settings, broker, monkeypatch):
    """With a few nothing is wrong; many mean that no worker listens."""
    installation = Database(settings.database).url.database
    monkeypatch.setattr(cluster_checks, "MANY_HINTS", 5)
    assert await asyncio.to_thread(waiting_hints, BROKERS[broker], installation) == 0
    sender = celery_app(BROKERS[broker], installation)
    db = Database(settings.database, pool_size=1)
    with_broker = settings.model_copy(update={"broker_url": BROKERS[broker]})
    verdicts = []
    for _ in range(2):
        for number in range(3):
            await asyncio.to_thread(sender.send_task, TASK, [[str(number)]], ignore_result=True)
        found = await cluster_checks.hints(with_broker, db)
        verdicts.append(found and found.verdict)
    with sender.connection_for_write() as connection:
        connection.default_channel.queue_delete(sender.conf.task_default_queue)
    sender.close()
    assert verdicts == [Verdict.OK, Verdict.WARNING]
    assert await cluster_checks.hints(settings.model_copy(update={"broker_url": NOBODY}), db) is None
    assert await cluster_checks.hints(settings, db) is None
    await db.close()


@pytest.mark.parametrize("skew", [None, 0.0, -0.04, 12.34, -3.0])
def test_what_a_worker_says_is_read_back(skew):
    """Its version and its clock; anything else says nothing."""
    found = read_sign(sign(skew))
    assert found.version is not None
    assert found.skew_s == (None if skew is None else round(skew, 1))
    assert read_sign("psql") == read_sign("") == WorkerSign()
    assert len(os.fsencode(sign(skew))) < 64  # what PostgreSQL keeps of a name
