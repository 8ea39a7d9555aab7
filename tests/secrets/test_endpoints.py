"""Secrets: they go in, are used, and never come out."""

import asyncio

import pytest
from sqlalchemy import select, update

from agentflow.errors import NotFound
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import PageRequest
from agentflow.secrets.models import SecretRow
from agentflow.secrets.schemas import SecretCreate
from tests.support.http_server import http_server, reply

VALUE = "hunter2-canary-4711"


def spec_using(name, url="http://localhost:9"):
    """Return a workflow whose source needs a secret."""
    auth = {"type": "bearer", "token": f"{{{{ secrets.{name} }}}}"}
    return {
        "name": "call",
        "nodes": [{"id": "call", "type": "http", "source": "shop", "config": {"url": "/x"}}],
        "sources": [{"id": "shop", "kind": "http", "config": {"base_url": url, "auth": auth}}],
    }


async def store(client, name="TOKEN", value=VALUE, **more):
    answer = await client.post("/secrets", json={"name": name, "value": value, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_secret_lives_and_dies(client):
    """Stored, listed, read, replaced and deleted; no answer holds its value."""
    made = await client.post("/secrets", json={"name": "TOKEN", "value": VALUE, "description": "of the shop"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/api/v1/secrets/{made.json()['id']}"
    assert made.json().keys() == {"id", "name", "description", "version", "created_by", "created_at", "updated_at", "last_used_at"}
    replaced = await client.put("/secrets/TOKEN", json={"value": "another-canary"})
    assert (replaced.json()["version"], replaced.json()["description"]) == (2, "of the shop")
    answers = [made, replaced, await client.get("/secrets?count=true"), await client.get(f"/secrets/{made.json()['id']}")]
    assert [item["name"] for item in answers[2].json()["items"]] == ["TOKEN"]
    assert all(VALUE not in answer.text and "another-canary" not in answer.text for answer in answers)
    assert (await client.delete("/secrets/TOKEN")).status_code == 204
    assert (await client.get("/secrets/TOKEN")).json()["code"] == "SECRET_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "INVALID"),
        ({"name": "TOKEN"}, 422, "INVALID"),
        ({"name": "TOKEN", "value": "abc"}, 422, "INVALID"),
        ({"name": "TOKEN", "value": "x" * 65_537}, 422, "INVALID"),
        ({"name": "TOKEN", "value": ["hunter2-list"]}, 422, "INVALID"),
        ({"name": "has space", "value": VALUE}, 422, "INVALID"),
        ({"name": "1st", "value": VALUE}, 422, "INVALID"),
        ({"name": "TOKEN", "value": VALUE, "surprise": 1}, 422, "INVALID"),
        ({"name": "TAKEN", "value": VALUE}, 409, "SECRET_EXISTS"),
    ],
)
async def test_bad_bodies_are_problems_that_do_not_repeat_the_value(client, body, status, code):
    """Each mistake has its status and code; what was sent as a secret does not come back in the error."""
    await store(client, "TAKEN")
    answer = await client.post("/secrets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "hunter2" not in answer.text


async def test_the_same_request_again_stores_one_secret(client):
    """With an Idempotency-Key a repetition gives the same answer, and another value under it is refused."""
    headers = {"Idempotency-Key": "k1"}
    first = await client.post("/secrets", json={"name": "TOKEN", "value": VALUE}, headers=headers)
    again = await client.post("/secrets", json={"name": "TOKEN", "value": VALUE}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    other = await client.post("/secrets", json={"name": "TOKEN", "value": VALUE + "!"}, headers=headers)
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_what_is_in_use_is_not_deleted(client):
    """The refusal names the workflows and sources that need it; once they are gone, it goes."""
    await store(client)
    made = (await client.post("/workflows", json={"spec": spec_using("TOKEN")})).json()
    source = {"name": "shop", "kind": "http", "config": spec_using("TOKEN")["sources"][0]["config"]}
    stored = (await client.post("/sources", json=source)).json()
    refused = await client.delete("/secrets/TOKEN")
    assert (refused.status_code, refused.json()["code"]) == (409, "IN_USE")
    named = {(use["resource"], use["id"], use["name"]) for use in refused.json()["errors"]}
    assert named == {("workflow", made["id"], "call"), ("source", stored["id"], "shop")}
    assert (await client.delete(f"/workflows/{made['id']}")).status_code == 204
    assert (await client.delete("/sources/shop")).status_code == 204
    assert (await client.delete("/secrets/TOKEN")).status_code == 204


async def test_a_secret_that_is_only_mentioned_is_not_in_use(client):
    """A text that happens to hold the name needs nothing."""
    await store(client)
    spec = {"name": "TOKEN", "nodes": [{"id": "a", "type": "transform", "config": {"value": "the TOKEN"}}]}
    assert (await client.post("/workflows", json={"spec": spec})).status_code == 201
    assert (await client.delete("/secrets/TOKEN")).status_code == 204


async def test_a_workflow_that_needs_a_missing_secret_is_refused(client):
    """Validation names it, and accepts as soon as it is there."""
    refused = await client.post("/workflows", json={"spec": spec_using("TOKEN")})
    assert [problem["code"] for problem in refused.json()["errors"]] == ["MISSING_SECRET"]
    assert refused.json()["errors"][0]["hint"] == "Store it: `agentflow secrets set TOKEN`."
    await store(client)
    assert (await client.post("/workflows", json={"spec": spec_using("TOKEN")})).status_code == 201


@pytest.mark.parametrize("place", ["prompt", "output", "when", "url"])
async def test_s105_secrets_are_known_in_sources_only(client, place):
    """S105: in a prompt, an output, a condition or a URL of a node there is no such name."""
    await store(client)
    text = "{{ secrets.TOKEN }}"
    spec = spec_using("TOKEN")
    if place == "prompt":
        spec["nodes"].append({"id": "ask", "type": "llm", "config": {"prompt": text}})
    elif place == "output":
        spec["outputs"] = {"leak": text}
    elif place == "when":
        spec["nodes"][0]["when"] = "secrets.TOKEN == 'x'"
    else:
        spec["nodes"][0]["config"]["url"] = f"/x?key={text}"
    problems = (await client.post("/workflows/validate", json={"spec": spec})).json()["errors"]
    assert any(problem["code"] == "UNKNOWN_REFERENCE" and "secrets" in problem["message"] for problem in problems)
    assert (await client.post("/execute", json={"spec": spec})).status_code == 422


@pytest.fixture
def settings(settings):
    """Give settings that let nodes call this machine."""
    return settings.model_copy(update={"http_allowed_hosts": frozenset({"localhost"})})


async def test_runs_use_the_newest_value_and_the_use_is_noted(client):
    """A run sends the value of the moment; a replaced one is sent by the next run."""
    made = await store(client)
    assert made["last_used_at"] is None
    async with http_server() as server:
        server.answers["/x"] = reply(200, b"{}")
        for value in (VALUE, "the-second-value"):
            await client.put("/secrets/TOKEN", json={"value": value})
            run = (await client.post("/execute?wait=20", json={"spec": spec_using("TOKEN", server.url(""))})).json()
            assert run["status"] == "succeeded", run
            assert server.calls[-1].headers["authorization"] == f"Bearer {value}"
    async with asyncio.timeout(10):
        while (await client.get("/secrets/TOKEN")).json()["last_used_at"] is None:  # noqa: ASYNC110 - it is written beside the run
            await asyncio.sleep(0.01)


async def test_s102_a_sealed_value_opens_only_in_its_row_and_tenant(client, container):
    """S102: swapped between rows, or with another tenant's, it does not open; the run says which source, and nothing else."""
    await store(client, "ONE", "value-of-one")
    await store(client, "TWO", "value-of-two")
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    await container.secrets.create(stranger, SecretCreate(name="ONE", value="value-of-a-stranger"))
    async with container.database.reading() as session:
        rows = (await session.scalars(select(SecretRow))).all()
    own = {row.name: row for row in rows if row.tenant_id == container.owner.tenant_id}
    foreign = next(row for row in rows if row.tenant_id == stranger.tenant_id)
    for sealed in (own["TWO"].sealed, foreign.sealed, own["ONE"].sealed[:-1] + b"x"):
        async with container.database.transaction() as session:
            await session.execute(update(SecretRow).where(SecretRow.id == own["ONE"].id).values(sealed=sealed))
        run = (await client.post("/execute?wait=20", json={"spec": spec_using("ONE")})).json()
        assert (run["status"], run["error"]["code"]) == ("failed", "SECRET_BROKEN")
        assert "value-of" not in str(run)


async def test_s31_another_tenant_sees_and_changes_nothing(client, container):
    """S31, S40: what belongs to somebody else is answered like what does not exist, and the same name in two tenants is two secrets."""
    made = await store(client)
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    service = container.secrets
    assert (await service.list(stranger, PageRequest(count=True))).total == 0
    for attempt in (service.get(stranger, made["id"]), service.get(stranger, "TOKEN"), service.delete(stranger, made["id"])):
        with pytest.raises(NotFound):
            await attempt
    await service.create(stranger, SecretCreate(name="TOKEN", value="of a stranger"))
    assert (await client.get("/secrets/TOKEN")).json() == made


async def test_secrets_of_the_environment_are_for_the_owners_tenant(settings, monkeypatch):
    """A variable of the server stands in for a secret that is not stored; another tenant does not have it, and a stored one wins."""
    import httpx

    from agentflow.bootstrap.container import open_container
    from agentflow.entrypoints.cli.asgi import AsgiTransport
    from agentflow.interfaces.rest.app import create_app

    monkeypatch.setenv("AGENTFLOW_SECRET_TOKEN", "of-the-environment")
    async with open_container(settings) as container:
        key = container.owner.key_file.read_text().strip()
        http = httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url="http://t/api/v1", headers={"X-API-Key": key})
        async with http as client, http_server() as server:
            server.answers["/x"] = reply(200, b"{}")
            for expected in ("of-the-environment", VALUE):
                run = (await client.post("/execute?wait=20", json={"spec": spec_using("TOKEN", server.url(""))})).json()
                assert run["status"] == "succeeded", run
                assert server.calls[-1].headers["authorization"] == f"Bearer {expected}"
                if expected != VALUE:
                    await store(client)
        stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
        found = await container.workflows.validate(stranger, spec_using("TOKEN"))
        assert [problem.code for problem in found.errors] == ["MISSING_SECRET"]


async def test_s103_the_master_key_is_changed_through_the_api(client, container, settings):
    """S103: afterwards the secrets still open, and only the installation's owner may do it."""
    await store(client)
    before = (settings.data_dir / "master.key").read_text()
    changed = await client.post("/secrets/rotate-master-key")
    assert changed.status_code == 200
    assert (settings.data_dir / "master.key").read_text() != before
    values = await container.runs._ports.secrets.values(container.owner.tenant_id, ["TOKEN"])
    assert values == {"TOKEN": VALUE}
    with pytest.raises(Exception, match="belongs to the installation"):
        await container.secrets.rotate_master_key(Subject(new_id(), new_id(), ALL_PERMISSIONS))


async def test_credentials_are_needed(anonymous):
    """Without a key nothing is told."""
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/T"), ("PUT", "/T"), ("DELETE", "/T"), ("POST", "/rotate-master-key")):
        assert (await anonymous.request(method, f"/api/v1/secrets{path}")).status_code == 401
