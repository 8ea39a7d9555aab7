"""S98: quotas of runs at a time, tokens and bytes hold however many come at once; what is used is to be seen."""

import asyncio

import pytest

from agentflow.bootstrap.container import open_container
from agentflow.interfaces.rest.app import create_app
from tests.identity.people import bearer, speaking, working_as
from tests.support.openai_server import USAGE, openai_server

pytestmark = pytest.mark.usefixtures("quick_hashes")
DELAY = {"name": "delay", "start_node": "a", "nodes": [{"id": "a", "type": "delay", "config": {"seconds": 0.05}}]}


@pytest.fixture
def settings(settings):
    """Let nodes ask a model on this machine."""
    return settings.model_copy(update={"http_allowed_hosts": frozenset({"127.0.0.1"})})


@pytest.fixture
async def there(app, client):
    """Give a client that works in a second organisation, and that organisation's id in ``tenant``."""
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        token = (await ada.post("/auth/tenant", json={"tenant_id": second})).json()["access_token"]
    async with speaking(app, bearer(token)) as person:
        person.tenant = second
        yield person


async def allow(client, there, container, **quotas):
    """Set the second organisation's quotas, and have this process know of them at once."""
    answer = await client.patch(f"/tenants/{there.tenant}", json={"quotas": quotas})
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()["quotas"][name] for name in quotas} == quotas
    await container.runs._dispatcher._pool._claims.learn()


async def used(person):
    return (await person.get("/tenants/current/usage")).json()["used"]


async def test_s98_no_more_runs_are_driven_at_a_time_than_the_quota_says(client, there, container):
    """S98: forty at once: all are accepted and run, never more than two at a time; another organisation does not notice."""
    await allow(client, there, container, max_running_runs=2)
    answers = await asyncio.gather(*(there.post("/execute", json={"spec": DELAY}) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    other = await client.post("/execute?wait=20", json={"spec": DELAY})
    assert other.json()["status"] == "succeeded"
    waiting = (await there.get(f"/runs/{answers[-1].json()['id']}/explain")).json()["reasons"]
    runs = [await _ended(there, answer.json()["id"]) for answer in answers]
    assert {run["status"] for run in runs} == {"succeeded"}
    changes = sorted([(run["started_at"], 1) for run in runs] + [(run["ended_at"], -1) for run in runs])
    at_a_time, most = 0, 0
    for _, change in changes:
        at_a_time += change
        most = max(most, at_a_time)
    assert most <= 2
    assert waiting[0]["code"] in {"concurrency_limit", "in_queue", "driven", "ended"}
    assert (await used(there))["max_running_runs"] == 0


async def _ended(person, run_id):
    async with person.stream("GET", f"/runs/{run_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        async for _ in stream.aiter_lines():
            pass
    return (await person.get(f"/runs/{run_id}")).json()


async def test_s98_no_more_tokens_are_used_than_the_quota_says(client, there, container):
    """S98: thirty calls at once: some are answered, the others end in an error that says why, and the cap is never passed."""
    await allow(client, there, container, tokens_per_day=100, tokens_per_month=1_000)
    async with openai_server() as model:
        config = {"provider": "openai_compatible", "base_url": model.base_url, "model": "ok"}
        node = {"id": "ask", "type": "llm", "source": "chat", "config": {"prompt": "Hi", "max_tokens": 20}}
        spec = {"name": "ask", "start_node": "ask", "nodes": [node], "sources": [{"id": "chat", "kind": "llm", "config": config}]}
        runs = [answer.json() for answer in await asyncio.gather(*(there.post("/execute?wait=30", json={"spec": spec}) for _ in range(30)))]
        good = [run for run in runs if run["status"] == "succeeded"]
        assert len(model.requests) == len(good)
        assert 1 <= len(good) * USAGE["total_tokens"] <= 100
        refused = next(run["error"] for run in runs if run["status"] == "failed")
        assert (refused["code"], refused["details"]["quota"], refused["details"]["limit"]) == ("TOKEN_QUOTA_REACHED", "tokens_per_day", 100)
        assert refused["hint"]
        found = await used(there)
        assert (found["tokens_per_day"], found["tokens_per_month"], found["tokens_held"]) == (17 * len(good), 17 * len(good), 0)
        assert (await client.post("/execute?wait=30", json={"spec": spec})).json()["status"] == "succeeded"
        assert (await used(client))["tokens_per_day"] == 0  # nobody counts without a quota
        await allow(client, there, container, tokens_per_month=10_000)
        assert (await there.post("/execute?wait=30", json={"spec": spec})).json()["status"] == "succeeded"


async def test_s98_no_more_bytes_are_kept_than_the_quota_says(client, there, container):
    """S98: twenty files at once, of which five have room."""
    await allow(client, there, container, storage_bytes=40)
    sent = await asyncio.gather(*(there.post("/artifacts", files={"file": ("a.txt", b"x" * 8, "text/plain")}) for _ in range(20)))
    statuses = [answer.status_code for answer in sent]
    assert (statuses.count(201), statuses.count(507)) == (5, 15)
    assert (await used(there))["storage_bytes"] == 40


async def test_s98_no_more_runs_are_started_than_the_quota_says(client, there, container):
    """S98: twenty at once, of which five may start; a key that was used before gives the run it gave."""
    await allow(client, there, container, runs_per_day=5)
    keys = [{"Idempotency-Key": f"start-{number}"} for number in range(20)]
    answers = await asyncio.gather(*(there.post("/execute", json={"spec": DELAY}, headers=key) for key in keys))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(202), statuses.count(429)) == (5, 15)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"QUOTA_REACHED"}
    assert (await used(there))["runs_per_day"] == 5
    first = statuses.index(202)
    again = await there.post("/execute", json={"spec": DELAY}, headers=keys[first])
    assert again.json()["id"] == answers[first].json()["id"]
    await allow(client, there, container, runs_per_day=1_000_000)
    more = await asyncio.gather(*(there.post("/execute", json={"spec": DELAY}) for _ in range(5)))
    assert [answer.status_code for answer in more] == [202] * 5
    assert (await used(there))["runs_per_day"] == 10
    await allow(client, there, container, runs_per_day=10)
    assert (await there.post("/execute", json={"spec": DELAY})).json()["code"] == "QUOTA_REACHED"


@pytest.mark.parametrize("settings_on_both", ["postgresql"], indirect=True)
async def test_s98_two_servers_together_start_no_more_runs_than_the_quota_says(client, there, container, settings):
    """S98: twenty at each of two servers on one database; five start, wherever."""
    await allow(client, there, container, runs_per_day=5)
    async with (
        open_container(settings) as second,
        speaking(create_app(second), {"Authorization": there.headers["authorization"]}) as beside,
    ):
        asked = [person.post("/execute", json={"spec": DELAY}) for _ in range(20) for person in (there, beside)]
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert (statuses.count(202), statuses.count(429)) == (5, 35)
    assert (await used(there))["runs_per_day"] == 5


async def test_usage_is_seen_by_the_organisation_and_by_whoever_runs_the_installation(app, client, there, container):
    """Beside the quotas; somebody else's organisation is not there."""
    await allow(client, there, container, runs_per_day=5)
    await there.post("/execute?wait=20", json={"spec": DELAY})
    own = (await there.get("/tenants/current/usage")).json()
    assert (own["quotas"]["runs_per_day"], own["used"]["runs_per_day"]) == (5, 1)
    assert (await client.get(f"/tenants/{there.tenant}/usage")).json() == own
    mine = (await client.get("/auth/me")).json()["tenant_id"]
    assert (await there.get(f"/tenants/{mine}/usage")).json()["code"] == "TENANT_NOT_FOUND"
