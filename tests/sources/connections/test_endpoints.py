"""Stored sources: connections that workflows use by name."""

import sqlite3

import pytest

from agentflow.errors import NotFound
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import PageRequest
from tests.support.http_server import http_server, reply
from tests.support.openai_server import openai_server

SECRET = "source-canary-4711"
CONFIG = {"base_url": "https://shop.example.com/v1"}


@pytest.fixture
def settings(settings):
    """Give settings that let nodes call this machine."""
    return settings.model_copy(update={"http_allowed_hosts": frozenset({"localhost", "127.0.0.1"})})


def using(name, **node):
    """Return a workflow whose node names a stored source."""
    return {"name": "call", "nodes": [{"id": "call", "type": "http", "source": name, "config": {"url": "/x"}, **node}]}


async def store(client, name="shop", kind="http", config=CONFIG):
    answer = await client.post("/sources", json={"name": name, "kind": kind, "config": config})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_source_lives_and_dies(client):
    """Stored, listed by kind, read, replaced and deleted."""
    made = await store(client)
    assert (made["kind"], made["config"], made["version"]) == ("http", CONFIG, 1)
    await store(client, "chat", "llm", {"provider": "local"})
    changed = {"config": {"base_url": "https://other.example.com"}, "description": "the other"}
    assert (await client.put("/sources/shop", json=changed)).json()["version"] == 2
    assert [item["name"] for item in (await client.get("/sources")).json()["items"]] == ["chat", "shop"]
    assert [item["name"] for item in (await client.get("/sources?kind=llm")).json()["items"]] == ["chat"]
    assert (await client.get(f"/sources/{made['id']}")).json()["description"] == "the other"
    assert (await client.delete("/sources/shop")).status_code == 204
    assert (await client.get("/sources/shop")).json()["code"] == "SOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({"name": "Shop", "kind": "http"}, "INVALID", None),
        ({"name": "a", "kind": "ftp"}, "INVALID", None),
        ({"name": "a", "kind": "http", "config": {}}, "INVALID_CONFIG", "/config/base_url"),
        ({"name": "a", "kind": "http", "config": {**CONFIG, "surprise": 1}}, "INVALID_CONFIG", "/config/surprise"),
        ({"name": "a", "kind": "db", "config": {"url": "sqlite:///a", "path": "b"}}, "INVALID_CONFIG", "/config"),
        ({"name": "a", "kind": "llm", "config": {"provider": "acme"}}, "INVALID_CONFIG", "/config/provider"),
        ({"name": "a", "kind": "llm", "config": {"provider": "openai_compatible"}}, "INVALID_CONFIG", "/config/base_url"),
        ({"name": "a", "kind": "vector", "config": {}}, "INVALID_CONFIG", "/config/collection"),
        ({"name": "a", "kind": "http", "config": {"base_url": "{{ secrets.NONE }}"}}, "MISSING_SECRET", "/config/base_url"),
        ({"name": "a", "kind": "http", "config": {"base_url": "{{ inputs.x }}"}}, "UNKNOWN_REFERENCE", "/config/base_url"),
        ({"name": "a", "kind": "http", "config": {"base_url": "{{ secrets."}}, "INVALID_TEMPLATE", "/config/base_url"),
        (
            {"name": "a", "kind": "http", "config": {**CONFIG, "auth": {"type": "bearer", "token": SECRET}}},
            "SECRET_WRITTEN_OUT",
            "/config/auth/token",
        ),
        ({"name": "a", "kind": "http", "config": {**CONFIG, "headers": {"Authorization": SECRET}}}, "SECRET_WRITTEN_OUT", "/config/headers/Authorization"),
        ({"name": "a", "kind": "db", "config": {"url": f"postgresql://u:{SECRET}@h/d"}}, "SECRET_WRITTEN_OUT", "/config/url"),
    ],
)  # fmt: skip
async def test_settings_that_cannot_work_are_refused_with_their_place(client, body, code, path):
    """What is missing, unknown, of another kind, or a secret as it is; the answer does not repeat that."""
    answer = await client.post("/sources", json=body)
    assert answer.status_code == 422, answer.text
    assert SECRET not in answer.text
    if path is None:
        assert answer.json()["code"] == code
    else:
        assert answer.json()["code"] == "INVALID_SOURCE"
        assert (code, path) in {(problem["code"], problem["path"]) for problem in answer.json()["errors"]}
    assert (await client.get("/sources")).json()["items"] == []


async def test_templates_stand_where_values_will_be(client):
    """A secret in the place of a value that has a format is not judged before it is filled in."""
    await client.post("/secrets", json={"name": "URL", "value": "https://example.com"})
    await store(client, config={"base_url": "{{ secrets.URL }}"})
    await store(client, "chat", "llm", {"provider": "openai_compatible", "base_url": "{{ secrets.URL }}"})


async def test_the_kind_and_the_name_stay(client):
    """Another kind is refused, and so is a second source of the same name."""
    await store(client)
    assert (await client.put("/sources/shop", json={"config": CONFIG, "kind": "db"})).json()["code"] == "INVALID_SOURCE"
    assert (await client.post("/sources", json={"name": "shop", "kind": "http", "config": CONFIG})).json()["code"] == "SOURCE_EXISTS"


async def test_workflows_use_sources_by_name(client):
    """Missing ones and those of another kind are refused; one in the specification stands before a stored one."""
    refused = await client.post("/workflows/validate", json={"spec": using("shop")})
    assert [problem["code"] for problem in refused.json()["errors"]] == ["UNKNOWN_SOURCE"]
    await store(client, "chat", "llm", {"provider": "local"})
    refused = await client.post("/workflows/validate", json={"spec": using("chat")})
    assert [problem["code"] for problem in refused.json()["errors"]] == ["SOURCE_KIND_MISMATCH"]
    async with http_server() as server:
        server.answers |= {"/stored/x": reply(200, b'"stored"'), "/own/x": reply(200, b'"own"'), "/new/x": reply(200, b'"new"')}
        await store(client, config={"base_url": server.url("/stored")})
        own = [{"id": "shop", "kind": "http", "config": {"base_url": server.url("/own")}}]
        json_answer = {"config": {"url": "/x", "response": "json"}}
        for spec, said in ((using("shop", **json_answer), "stored"), ({**using("shop", **json_answer), "sources": own}, "own")):
            run = (await client.post("/execute?wait=20", json={"spec": spec})).json()
            assert (run["status"], run["outputs"]["body"]) == ("succeeded", said), run
        await client.put("/sources/shop", json={"config": {"base_url": server.url("/new")}})
        run = (await client.post("/execute?wait=20", json={"spec": using("shop", **json_answer)})).json()
        assert run["outputs"]["body"] == "new"


async def test_a_source_that_is_gone_fails_the_node(client, container):
    """A run of a stored version whose source was deleted meanwhile says which one is missing."""
    await store(client)
    await client.post("/workflows", json={"spec": using("shop")})
    refused = await client.delete("/sources/shop")
    assert (refused.status_code, [use["name"] for use in refused.json()["errors"]]) == (409, ["call"])
    started = await container.runs._workflows.get_version(Subject(container.owner.tenant_id, new_id(), ALL_PERMISSIONS), "call", None)
    assert started.number == 1
    own = {**using("shop"), "name": "second"}
    assert (await client.post("/execute?wait=20", json={"spec": own})).json()["status"] == "failed"  # the host does not exist
    await client.delete("/workflows/call")
    assert (await client.delete("/sources/shop")).status_code == 204
    run = (await client.post("/execute?wait=20", json={"spec": own})).json()
    assert run["error"]["code"] == "UNKNOWN_SOURCE"


async def test_each_kind_is_tried(client, settings):
    """What answers says so; what does not says why, without the secret that it was asked with."""
    await client.post("/secrets", json={"name": "KEY", "value": SECRET})
    (settings.data_dir / "files").mkdir(exist_ok=True)
    sqlite3.connect(settings.data_dir / "files" / "shop.db").close()
    await client.post("/collections", json={"name": "papers", "embedding_model": "hashing-384"})
    async with http_server() as server, openai_server() as models:
        server.answers |= {"/": reply(404), "/closed/": reply(401, SECRET.encode())}
        chat = {"provider": "openai_compatible", "base_url": models.base_url, "model": "m", "api_key": "{{ secrets.KEY }}"}
        good = {
            "web": ("http", {"base_url": server.url(""), "auth": {"type": "api_key", "in": "query", "value": "{{ secrets.KEY }}"}}),
            "file": ("db", {"path": "shop.db"}),
            "chat": ("llm", chat),
            "vectors": ("embedding", {"provider": "local", "model": "hashing-384"}),
            "papers": ("vector", {"collection": "papers"}),
        }
        bad = {
            "closed": ("http", {"base_url": server.url("/closed")}, "HTTP_STATUS"),
            "inside": ("http", {"base_url": "http://169.254.169.254/"}, "SSRF_BLOCKED"),
            "nowhere": ("db", {"url": "postgresql://u:{{ secrets.KEY }}@127.0.0.1:9/{{ secrets.KEY }}"}, "DB_CONNECT"),
            "absent": ("vector", {"collection": "absent"}, "COLLECTION_NOT_FOUND"),
            "pictures": ("image", {}, "NOT_TESTABLE"),
        }
        for name, (kind, config) in good.items():
            await store(client, name, kind, config)
            found = (await client.post(f"/sources/{name}/test")).json()
            assert (found["ok"], found["code"]) == (True, None), found
            assert SECRET not in str(found)
        for name, (kind, config, code) in bad.items():
            await store(client, name, kind, config)
            answer = await client.post(f"/sources/{name}/test")
            assert (answer.status_code, answer.json()["ok"], answer.json()["code"]) == (200, False, code), answer.text
            assert SECRET not in answer.text
        assert any(SECRET in call.target for call in server.calls)


async def test_s31_another_tenants_source_is_not_found_and_not_opened(client, container):
    """S31: to try or to use a foreign source is a 404, no secret is unsealed and nothing is called."""
    async with http_server() as server:
        made = await store(client, config={"base_url": server.url("")})
        stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
        service = container.sources
        assert (await service.list(stranger, PageRequest(count=True))).total == 0
        for attempt in (service.get(stranger, made["id"]), service.test(stranger, made["id"]), service.delete(stranger, "shop")):
            with pytest.raises(NotFound):
                await attempt
        found = await container.workflows.validate(stranger, using("shop"))
        assert [problem.code for problem in found.errors] == ["UNKNOWN_SOURCE"]
        assert await service.find(stranger.tenant_id, "shop") is None
        assert server.connections == 0


async def test_credentials_are_needed(anonymous):
    """Without a key nothing is told."""
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/s"), ("PUT", "/s"), ("DELETE", "/s"), ("POST", "/s/test")):
        assert (await anonymous.request(method, f"/api/v1/sources{path}")).status_code == 401
