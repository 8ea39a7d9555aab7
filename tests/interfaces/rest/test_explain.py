"""Why a run is where it is, as the API says it."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence
from agentflow.runtime.records.models import InterruptRow, RunRow
from agentflow.runtime.recovery import Recovery
from tests.support.http_server import http_server, reply

ONE = {"name": "one", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}], "edges": []}
LONG = {"name": "long", "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 900}}], "edges": []}


@pytest.fixture
def settings(settings_on_both, monkeypatch):
    """Give settings on either database; the periodic tasks, also the sweep at the start, leave the runs of these tests alone."""
    monkeypatch.setattr(Recovery, "start", lambda self: None)
    return settings_on_both.model_copy(update={"http_allowed_hosts": frozenset({"localhost"})})


@pytest.fixture
async def run_id(client):
    """Give a run that has ended, for a test to put it where it likes."""
    return (await client.post("/execute?wait=20", json={"spec": ONE})).json()["id"]


@pytest.fixture
async def put(container, run_id):
    """Change the stored run; in the end all runs are through, for nobody drives what these tests write."""

    async def change(**values):
        async with container.database.transaction() as session:
            await session.execute(update(RunRow).where(RunRow.id == run_id).values(ended_at=None, **values))

    yield change
    async with container.database.transaction() as session:
        await session.execute(update(RunRow).values(status="cancelled"))


@pytest.fixture
async def another_worker(settings, container):
    """Give the name of another living worker."""
    made = (
        FilePresence(settings.data_dir / "workers") if container.database.is_sqlite else AdvisoryPresence(container.database, SystemClock())
    )
    owner = new_id()
    await made.announce(owner)
    yield owner
    await made.withdraw()


async def reasons(client, run_id):
    answer = await client.get(f"/runs/{run_id}/explain")
    assert answer.status_code == 200, answer.text
    return answer.json()["reasons"]


async def only(client, run_id):
    (reason,) = await reasons(client, run_id)
    return reason


async def test_a_run_that_ended_says_how(client, run_id, put):
    """A result, an error, or that workers died of it."""
    assert (await only(client, run_id))["code"] == "ended"
    error = {"code": "HTTP_STATUS", "message": "It answered 503.", "node_id": "a", "attempt": 1, "hint": "Try later.", "details": {}}
    await put(status="failed", error=error)
    found = await only(client, run_id)
    assert (found["code"], found["message"], found["hint"], found["node_id"]) == ("failed", "It answered 503.", "Try later.", "a")
    await put(dead_letter_at=SystemClock().now())
    assert (await only(client, run_id))["code"] == "dead_letter"


async def test_a_run_whose_owner_is_gone_or_late_is_told_apart(client, run_id, put, another_worker):
    """A dead process, a silent one, and one that is well."""
    now = SystemClock().now()
    await put(status="running", lease_owner=new_id(), lease_until=now + timedelta(seconds=60))
    assert (await only(client, run_id))["code"] == "owner_dead"
    await put(status="running", lease_owner=another_worker, lease_until=now - timedelta(seconds=30))
    late = await only(client, run_id)
    assert (late["code"], late["hint"]) == ("lease_late", "A living worker takes it up within seconds.")
    await put(status="running", lease_owner=another_worker, lease_until=now + timedelta(seconds=60))
    assert (await only(client, run_id))["code"] == "driven"
    await put(status="running", cancel_requested=True)
    assert [reason["code"] for reason in await reasons(client, run_id)] == ["cancelling", "driven"]
    await put(status="running", lease_owner=None, lease_until=None)
    assert (await only(client, run_id))["code"] == "no_lease"


async def test_a_queued_run_says_whose_turn_it_is(client, run_id, put, container):
    """Behind others, or held by a limit."""
    await put(status="queued", lease_owner=None, lease_until=None)
    found = await only(client, run_id)
    assert (found["code"], found["since"] is not None) == ("in_queue", True)
    other = (await client.post("/execute?wait=20", json={"spec": ONE})).json()["id"]
    async with container.database.transaction() as session:
        busy = {"status": "running", "lease_owner": new_id(), "lease_until": SystemClock().now()}
        await session.execute(update(RunRow).where(RunRow.id == other).values(**busy, concurrency_key="k"))
    await put(status="queued", concurrency_key="k", max_concurrency=1)
    found = await only(client, run_id)
    assert found["code"] == "concurrency_limit"
    assert "limits.max_concurrency" in found["hint"]


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("human", "human", "waiting"),
        ("event", "event", "waiting"),
        ("before", "breakpoint", "waiting"),
        ("attention", "unknown_effect", "needs_attention"),
    ],
)
async def test_a_run_that_waits_says_for_whom_since_and_until_when(client, run_id, put, container, kind, code, status):
    """What is open names its node, who is asked, and when it expires."""
    now = SystemClock().now()
    async with container.database.transaction() as session:
        tenant_id = container.owner.tenant_id
        row = {"id": new_id(), "tenant_id": tenant_id, "run_id": run_id, "key": "approve", "iteration": 0, "kind": kind, "round": 0}
        row |= {"status": "open", "request": {}, "assignees": ["role:manager"], "created_at": now, "expires_at": now + timedelta(hours=1)}
        await session.execute(insert(InterruptRow).values(**row, event_name="paid" if kind == "event" else None))
    await put(status=status, waiting_since=now, lease_owner=None, lease_until=None)
    found = await only(client, run_id)
    assert (found["code"], found["node_id"]) == (code, "approve")
    assert found["hint"]
    assert found["since"] < found["until"]
    if kind == "human":
        assert "role:manager" in found["message"]


async def test_a_delay_says_until_when(client):
    """A run that waits for a time holds no worker, and says when it goes on."""
    run = (await client.post("/execute?wait=1", json={"spec": LONG})).json()
    assert run["status"] == "waiting"
    found = await only(client, run["id"])
    assert (found["code"], found["until"] is not None) == ("until", True)


async def test_a_node_between_attempts_says_why_and_how_long(client):
    """A retry under way is no mystery."""
    async with http_server() as server:
        server.answers["/"] = reply(503)
        node = {"id": "call", "type": "http", "config": {"url": server.url()}}
        node["retry"] = {"max_attempts": 3, "initial_interval_s": 60, "max_interval_s": 60}
        run = (await client.post("/execute", json={"spec": {"name": "r", "nodes": [node], "edges": []}})).json()
        async with client.stream("GET", f"/runs/{run['id']}/events", headers={"Accept": "text/event-stream"}) as events:
            async for line in events.aiter_lines():
                if line == "event: node.retrying":
                    break
        codes = {reason["code"]: reason for reason in await reasons(client, run["id"])}
        await client.post(f"/runs/{run['id']}/cancel")
    assert set(codes) == {"retry", "driven"}
    assert "HTTP_STATUS" in codes["retry"]["message"]


async def test_another_tenants_run_is_not_explained(client):
    """It does not exist for us."""
    answer = await client.get(f"/runs/{new_id()}/explain")
    assert (answer.status_code, answer.json()["code"]) == (404, "RUN_NOT_FOUND")
