"""What becomes of an organisation's runs when it is deleted."""

import pytest

from agentflow.bootstrap.container import open_container
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.interfaces.rest.app import create_app
from tests.identity.people import bearer, speaking, working_as

pytestmark = pytest.mark.usefixtures("quick_hashes")
WAITS = {"name": "waits", "nodes": [{"id": "a", "type": "wait_for_event", "config": {"event": "never"}}], "limits": {"max_concurrency": 1}}


@pytest.fixture
def settings(settings):
    """Look more often than usual for what has come for runs, and drive one at a time."""
    return settings.model_copy(update={"sweep_interval_s": 0.1, "lease_renew_s": 0.2, "max_concurrent_runs": 1})


async def test_the_runs_of_a_deleted_organisation_are_cancelled(app, client, container):
    """Those that wait for something, those in the queue and those under way end; those of other organisations go on."""
    slow = {**WAITS, "name": "slow", "nodes": [{"id": "a", "type": "delay", "config": {"seconds": 25}}]}

    async def started(person, spec):
        return (await person.post("/execute", json={"spec": spec})).json()["id"]

    mine = (await client.post("/execute?wait=1", json={"spec": WAITS})).json()
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        token = (await ada.post("/auth/tenant", json={"tenant_id": second})).json()
    async with speaking(app, bearer(token)) as there:
        theirs = [(await there.post("/execute?wait=1", json={"spec": WAITS})).json()["id"]]
        theirs += [await started(there, slow) for _ in range(3)]
        assert (await there.delete("/tenants/current")).status_code == 204
    subject = Subject(second, mine["id"], ALL_PERMISSIONS)
    ended = [(await container.runs.wait(subject, run, 30)).status for run in theirs]
    assert ended == ["cancelled"] * 4
    assert (await client.get(f"/runs/{mine['id']}")).json()["status"] == "waiting"
    await client.post(f"/runs/{mine['id']}/cancel")


async def test_a_run_that_another_process_lets_in_after_the_deletion_is_cancelled(app, client, container, settings):
    """For seconds that process remembers the organisation; what it has let in meanwhile ends all the same."""
    async with working_as(app, client, "ada", "owner") as ada:
        second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
        headers = bearer((await ada.post("/auth/tenant", json={"tenant_id": second})).json())
    async with open_container(settings) as other, speaking(create_app(other), headers) as elsewhere, speaking(app, headers) as here:
        assert (await elsewhere.get("/runs")).status_code == 200
        assert (await here.delete("/tenants/current")).status_code == 204
        late = await elsewhere.post("/execute", json={"spec": WAITS})
        assert late.status_code == 202
        subject = Subject(second, late.json()["id"], ALL_PERMISSIONS)
        assert (await container.runs.wait(subject, late.json()["id"], 30)).status == "cancelled"
