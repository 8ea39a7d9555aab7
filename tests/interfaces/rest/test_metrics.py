"""Metrics move with what they measure."""

import re

import pytest
from sqlalchemy import update

from agentflow.runtime.queue import depth
from agentflow.runtime.records.models import RunRow
from tests.support.http_server import http_server, reply

CHAIN = {"name": "counted", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}], "edges": []}
FORK = {
    "name": "forked",
    "nodes": [{"id": name, "type": "transform", "config": {"value": 1}} for name in "abc"],
    "edges": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}],
}


@pytest.fixture
def settings(settings_on_both):
    """Give settings on either database, where nodes may call this machine."""
    return settings_on_both.model_copy(update={"http_allowed_hosts": frozenset({"localhost"})})


async def samples(anonymous, client, monkeypatch):
    """Return every sample by its name with labels."""
    monkeypatch.setattr(depth, "FRESH_S", 0)
    answer = await anonymous.get("/metrics", headers=client.headers)
    assert answer.status_code == 200
    return {name: float(value) for name, value in re.findall(r"^(agentflow_\S+?(?:\{.*?\})?) (\S+)$", answer.text, re.MULTILINE)}


def grew(before, after, name):
    return after.get(name, 0) - before.get(name, 0)


async def test_runs_nodes_commits_and_checkpoints_are_counted(client, anonymous, monkeypatch):
    """One run more of each kind, at the labels that say which."""
    before = await samples(anonymous, client, monkeypatch)
    for spec in (CHAIN, FORK):
        assert (await client.post("/execute?wait=20", json={"spec": spec})).json()["status"] == "succeeded"
    after = await samples(anonymous, client, monkeypatch)
    assert grew(before, after, 'agentflow_runs_accepted_total{workflow="counted"}') == 1
    assert grew(before, after, 'agentflow_runs_ended_total{status="succeeded",workflow="counted"}') == 1
    assert grew(before, after, 'agentflow_node_attempt_duration_seconds_count{type="transform"}') == 4
    assert grew(before, after, "agentflow_run_queue_wait_seconds_count") == 2
    assert grew(before, after, 'agentflow_run_duration_seconds_count{status="succeeded"}') == 2
    assert grew(before, after, "agentflow_group_commit_duration_seconds_count") > 0
    assert grew(before, after, 'agentflow_checkpoint_bytes_sum{kind="run"}') > 0
    assert grew(before, after, "agentflow_db_pool_wait_seconds_count") > 0
    assert after["agentflow_db_pool_size"] >= 8
    assert after["agentflow_database_up"] == 1


async def test_retries_and_calls_are_counted_by_reason(client, anonymous, monkeypatch):
    """A server that fails twice shows in retries and in outgoing requests."""
    async with http_server() as server:
        server.answers["/"] = reply(503)
        node = {"id": "call", "type": "http", "config": {"url": server.url()}, "retry": {"max_attempts": 2, "initial_interval_s": 0.01}}
        before = await samples(anonymous, client, monkeypatch)
        await client.post("/execute?wait=20", json={"spec": {"name": "calls", "nodes": [node], "edges": []}})
        after = await samples(anonymous, client, monkeypatch)
    assert grew(before, after, 'agentflow_node_retries_total{code="HTTP_STATUS"}') == 1
    assert grew(before, after, 'agentflow_outgoing_http_requests_total{host_class="named",method="GET",outcome="5xx"}') == 2


async def test_the_queue_is_that_of_all_processes(client, anonymous, container, monkeypatch):
    """Runs that wait in the database count, whoever accepted them."""
    run = (await client.post("/execute?wait=20", json={"spec": CHAIN})).json()
    before = await samples(anonymous, client, monkeypatch)
    async with container.database.transaction() as session:
        await session.execute(update(RunRow).where(RunRow.id == run["id"]).values(status="waiting", wake_at=None))
    after = await samples(anonymous, client, monkeypatch)
    assert grew(before, after, 'agentflow_runs{status="waiting"}') == 1
    assert after["agentflow_queue_depth"] == 0


async def test_a_database_that_hangs_does_not_hold_up_the_metrics(client, anonymous, container, monkeypatch):
    """What needs no database is given all the same, and says that it is gone."""
    monkeypatch.setattr(depth, "TIMEOUT_S", 0.05)

    async def broken():
        raise ConnectionError

    monkeypatch.setattr(container.gauges, "_ask", broken)
    after = await samples(anonymous, client, monkeypatch)
    assert after["agentflow_database_up"] == 0
    assert "agentflow_runs_running" in after
