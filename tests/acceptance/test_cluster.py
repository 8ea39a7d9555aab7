"""Servers and workers apart: the same results as in one process, and nothing lost whichever process dies."""

import asyncio
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import Celery

from agentflow.infra.celery.app import TASK, celery_app
from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.acceptance.cluster import BROKERS, NOBODY, QUICK, Cluster, client_of, cluster
from tests.acceptance.sink import Sink
from tests.acceptance.test_lifecycle import waiting
from tests.acceptance.workflows import branches, chain

TAKE_OVER_S = 15.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


async def all_end(client: Client, within_s: float) -> None:
    """Wait until every promised run has ended."""
    deadline = time.monotonic() + within_s
    while left := await client.unfinished():
        assert time.monotonic() < deadline, f"{len(left)} runs did not end in {within_s} s"
        await asyncio.sleep(0.1)


async def audit(client: Client, sink: Sink) -> None:
    """Check that every run succeeded once, that its events have no gap, and that no effect got another key."""
    keys: dict[tuple[str, str], set[str]] = {}
    for hit in sink.hits:
        keys.setdefault((hit.run_id, hit.node), set()).add(hit.key)
    assert all(len(used) == 1 for used in keys.values())
    for run_id in client.promised.values():
        run, events = await client.get(f"/runs/{run_id}"), await client.events(run_id)
        assert run["status"] == "succeeded", run
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        places = [(e["node_id"], e["data"].get("iteration", 0)) for e in events if e["type"] == "node.completed"]
        assert len(places) == len(set(places)), "a node completed twice"


def chain_to_a_call(sink: Sink) -> dict[str, Any]:
    """Return a chain that ends with what the last call gave."""
    spec = chain(sink)
    spec["nodes"].append({"id": "result", "type": "transform", "config": {"value": "{{ nodes.call3 }}"}})
    spec["edges"].append({"from": "pure3", "to": "result"})
    return spec


def owner_of(made: Cluster, run_id: str) -> str | None:
    """Return the owner that the database knows of a run."""
    with psycopg.connect(made.url) as connection:
        row = connection.execute("SELECT lease_owner::text FROM runs WHERE id = %s", [run_id]).fetchone()
    return None if row is None else row[0]


async def story(client: Client, workflow: str) -> tuple[Any, Counter[tuple[str, str | None]]]:
    """Run a workflow and return its outputs and what happened, whatever the order of parallel branches."""
    answer = await client.http.post(f"/workflows/{workflow}/execute?wait=60", json={})
    assert answer.status_code == 200, answer.text
    events = await client.events(answer.json()["id"])
    return answer.json()["outputs"]["body"], Counter((event["type"], event["node_id"]) for event in events)


@pytest.mark.parametrize("broker", BROKERS)
async def test_a_cluster_does_what_one_process_does(tmp_path: Path, sink: Sink, broker: str):
    """The same specification gives the same results and the same events, on either broker."""
    alone = ServerProcess(tmp_path / "alone", None, QUICK)
    alone.start()
    stories = {}
    try:
        with cluster(tmp_path, BROKERS[broker], workers=2) as made:
            for server in (alone, made.api):
                client = Client(server)
                stories[server] = [await story(client, await client.store(spec(sink))) for spec in (chain_to_a_call, branches)]
                await client.close()
        assert stories[alone] == stories[made.api]
    finally:
        alone.kill()


@pytest.mark.parametrize("broker", BROKERS)
async def test_runs_of_a_killed_worker_go_on_elsewhere(tmp_path: Path, sink: Sink, broker: str):
    """kill -9 of a worker with runs in flight: another one ends them within fifteen seconds, and no effect is doubled."""
    with cluster(tmp_path, BROKERS[broker], workers=2) as made:
        async with client_of(made) as client:
            workflow = await client.store(chain(sink))
            await asyncio.gather(*[client.start(workflow, str(n)) for n in range(10)])
            made.workers[0].kill()
            await all_end(client, TAKE_OVER_S)
            await audit(client, sink)


async def test_a_frozen_worker_loses_its_runs_and_can_write_no_more(tmp_path: Path):
    """SIGSTOP: the lease ends, another worker takes the run; after SIGCONT the zombie's writes are refused."""
    with cluster(tmp_path, BROKERS["rabbitmq"]) as made:
        async with client_of(made) as client:
            await client.start(await client.store(waiting(4)), "frozen")
            run_id = client.promised["frozen"]
            async for event in client.follow(run_id):
                if event == "node.started":
                    break
            zombie, first = made.workers[0], owner_of(made, run_id)
            zombie.signal(signal.SIGSTOP)
            made.add_worker()
            begin = time.monotonic()
            while owner_of(made, run_id) in (first, None):
                assert time.monotonic() - begin < TAKE_OVER_S
                await asyncio.sleep(0.1)
            zombie.signal(signal.SIGCONT)
            await all_end(client, 30)
            events = await client.events(run_id)
            assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
            types = Counter(event["type"] for event in events)
            assert types["node.completed"] == types["run.succeeded"] == types["run.resumed"] == 1


async def test_every_process_can_be_restarted_under_load(tmp_path: Path, sink: Sink):
    """SIGTERM to each in turn: runs are handed over, none fails, and each process is gone within thirty seconds."""
    with cluster(tmp_path, BROKERS["rabbitmq"], workers=2) as made:
        async with client_of(made) as client:
            workflow = await client.store(chain(sink))
            starting = [asyncio.create_task(client.start(workflow, str(n))) for n in range(20)]
            for process in (*made.workers, made.api):
                process.ask_to_stop()
                assert await asyncio.to_thread(process.wait, 30) == 0
                await asyncio.to_thread(process.start)
            await asyncio.gather(*starting)
            await all_end(client, TAKE_OVER_S)
            await audit(client, sink)


async def test_a_broker_that_lost_everything_costs_no_run(tmp_path: Path, sink: Sink):
    """Runs whose hints were purged before any worker saw them are found in the database."""
    with cluster(tmp_path, BROKERS["rabbitmq"], workers=0) as made:
        async with client_of(made) as client:
            workflow = await client.store(branches(sink))
            await asyncio.gather(*[client.start(workflow, str(n)) for n in range(15)])
            with _broker(made) as app, app.connection_for_write() as connection:
                connection.default_channel.queue_purge(app.conf.task_default_queue)
            made.add_worker()
            await all_end(client, 60)
            await audit(client, sink)


async def test_without_a_broker_runs_are_late_and_not_lost(tmp_path: Path, sink: Sink):
    """A broker that cannot be reached delays neither the answer to who starts a run nor, for long, the run."""
    with cluster(tmp_path, NOBODY) as made:
        async with client_of(made) as client:
            workflow = await client.store(branches(sink))
            for number in range(5):
                begin = time.monotonic()
                await client.start(workflow, str(number))
                assert time.monotonic() - begin < 2
            await all_end(client, 30)
            await audit(client, sink)


async def test_hints_that_come_again_or_name_nothing_do_nothing(tmp_path: Path, sink: Sink):
    """A message is no order: the same ids ten times, unknown ids and no ids at all start nothing."""
    with cluster(tmp_path, BROKERS["rabbitmq"], workers=2) as made:
        async with client_of(made) as client:
            await client.start(await client.store(branches(sink)), "one")
            run_id = client.promised["one"]
            with _broker(made) as app:
                for ids in ([run_id] * 10, ["no id"], [], None):
                    app.send_task(TASK, [ids], ignore_result=True)
                await all_end(client, 30)
                app.send_task(TASK, [[run_id]], ignore_result=True)
            await client.start(await client.store(branches(sink)), "two")
            await all_end(client, 30)
            await audit(client, sink)
            assert (await client.get("/runs?count=true"))["total"] == 2


async def test_a_run_is_cancelled_wherever_it_is(tmp_path: Path):
    """A run on a worker stops at once; one that nobody has taken up yet is ended by the server itself."""
    with cluster(tmp_path, BROKERS["rabbitmq"], lease_renew_s="2.9") as made:
        async with client_of(made) as client:
            workflow = await client.store(waiting(20))
            await client.start(workflow, "driven")
            async for event in client.follow(client.promised["driven"]):
                if event == "node.started":
                    break
            assert (await client.http.post(f"/runs/{client.promised['driven']}/cancel")).json()["status"] == "cancelled"
            made.workers[0].kill()
            await client.start(workflow, "queued")
            assert (await client.http.post(f"/runs/{client.promised['queued']}/cancel")).json()["status"] == "cancelled"


def _broker(made: Cluster) -> Celery:
    return celery_app(BROKERS["rabbitmq"], made.url.rsplit("/", 1)[1])
