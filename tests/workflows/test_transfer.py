"""Workflows that come and go: export without secrets, a look before importing, confirming, and copies."""

import asyncio
import json

import pytest

from agentflow.nodes.base import NodeConfig, NodeType
from tests.identity.people import one_database, working_as
from tests.workflows.test_sharing import CANARY, SPEC, TALKS, actions, elsewhere, make

pytestmark = pytest.mark.usefixtures("quick_hashes")
NOTHING = {"hosts": [], "secrets": [], "variables": [], "sources": [], "collections": [], "workflows": [], "plugins": [], "effects": []}


def reads(url, **more):
    """Return a specification that calls a URL."""
    return {"name": "reads", "nodes": [{"id": "a", "type": "http", "config": {"url": url, "timeout_s": 5, **more}}], "edges": []}


async def imported(client, spec, **query):
    answer = await client.post("/workflows/import", json=spec, params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_export_has_no_secret_and_imports_as_the_same(client):
    """Where a secret was written out its name stands; without secrets the document is the same, also through a file."""
    made = await make(client, "talks", TALKS)
    for form in ("json", "yaml"):
        document = await client.get(f"/workflows/{made['id']}/export?format={form}")
        assert CANARY not in document.text
        assert "{{ secrets.SHOP_TOKEN }}" in document.text
    plain = await make(client, "plain", {**SPEC, "description": "Does nothing.", "tags": ["x"]})
    document = (await client.get("/workflows/plain/export")).json()
    await client.delete(f"/workflows/{plain['id']}")
    back = await imported(client, document)
    assert back["is_foreign"]
    assert {name: back[name] for name in ("name", "description", "tags", "spec")} == {
        **{name: plain[name] for name in ("name", "description", "tags")},
        "spec": document,
    }
    assert (await client.post(f"/workflows/{back['id']}/execute?wait=20", json={})).json()["status"] == "succeeded"


async def test_s138_an_import_shows_what_it_would_use_and_does_not_run_before_that_is_confirmed(client):
    """S138: hosts, secrets, variables, sources, workflows and effects, each by name; and a version that uses more waits again."""
    document = {
        "name": "foreign",
        "sources": [
            {"id": "own", "kind": "http", "config": {"base_url": "https://own.example", "headers": {"x": "{{ secrets.OWN_KEY }}"}}},
            {"id": "mind", "kind": "llm", "config": {"provider": "openai", "api_key": "{{ secrets.OPENAI_KEY }}"}},
            {"id": "notes", "kind": "vector", "config": {"collection": "papers"}},
        ],
        "nodes": [
            {"id": "a", "type": "http", "source": "own", "config": {"url": "/x", "method": "POST"}},
            {"id": "b", "type": "http", "config": {"url": "https://{{ vars.host }}/x"}},
            {"id": "c", "type": "http", "source": "shop", "config": {"url": "/x"}},
            {"id": "d", "type": "subworkflow", "config": {"workflow": "payroll"}},
            {"id": "e", "type": "llm", "source": "mind", "config": {"prompt": "https://no.host.of.it"}},
            {"id": "f", "type": "vector_search", "source": "notes", "config": {"query": "x"}},
        ],
        "edges": [{"from": first, "to": second} for first, second in zip("abcde", "bcdef", strict=True)],
    }
    look = (await client.post("/workflows/import/preview", json=document)).json()
    uses = {
        "hosts": ["*", "api.openai.com", "own.example"],
        "secrets": ["OPENAI_KEY", "OWN_KEY"],
        "variables": ["host"],
        "sources": ["shop"],
        "collections": ["papers"],
        "workflows": ["payroll"],
        "plugins": [],
        "effects": ["http", "subworkflow"],
    }
    assert (look["uses"], look["needs_confirmation"], look["importable"], look["valid"]) == (uses, True, True, False)
    assert {item["code"] for item in look["errors"]} == {"MISSING_SECRET", "UNKNOWN_SOURCE", "UNKNOWN_REFERENCE"}
    assert (await client.get("/workflows?count=true")).json()["total"] == 0
    made = await imported(client, document)
    assert (made["valid"], made["is_foreign"], made["confirmed_hash"]) == (False, True, None)
    path = f"/workflows/{made['id']}"
    assert (await client.post(f"{path}/execute", json={})).json()["code"] == "INVALID_SPEC"
    for name in ("OWN_KEY", "OPENAI_KEY"):
        await client.post("/secrets", json={"name": name, "value": CANARY})
    await client.post("/variables", json={"name": "host", "value": "h.example"})
    await client.post("/sources", json={"name": "shop", "kind": "http", "config": {"base_url": "https://shop.example"}})
    refused = (await client.post(f"{path}/execute", json={})).json()
    assert (refused["status"], refused["code"]) == (409, "WORKFLOW_NOT_CONFIRMED")
    assert {"kind": "secrets", "name": "OWN_KEY", "message": "secrets: OWN_KEY"} in refused["errors"]
    shown = (await client.get(f"{path}/confirmation")).json()
    assert (shown["uses"], shown["open"], shown["is_confirmed"], shown["spec_hash"]) == (uses, uses, False, look["spec_hash"])
    stale = await client.post(f"{path}/confirmation", json={"spec_hash": "0" * 64})
    assert (stale.status_code, stale.json()["code"]) == (409, "SPEC_CHANGED")
    done = (await client.post(f"{path}/confirmation", json={"spec_hash": look["spec_hash"]})).json()
    assert (done["open"], done["is_confirmed"], done["confirmed_hash"]) == (NOTHING, True, look["spec_hash"])
    assert (await client.get(path)).json()["valid"]
    started = await client.post(f"{path}/execute", json={})
    assert started.status_code == 202, started.text
    await client.post(f"/runs/{started.json()['id']}/cancel")
    ((actor, details),) = await actions(client, "workflow.confirmed")
    assert (actor, details["uses"]["secrets"]) == ("owner", ["OPENAI_KEY", "OWN_KEY"])


async def test_a_version_that_uses_more_waits_to_be_confirmed_again(client):
    """New hosts only ask again in what came from outside; the earlier version goes on, and what was made here is never asked about."""
    look = (await client.post("/workflows/import/preview", json=reads("https://one.example"))).json()
    made = await imported(client, reads("https://one.example"), confirm=look["spec_hash"])
    assert made["confirmed_hash"] == look["spec_hash"]
    path = f"/workflows/{made['id']}"
    assert (await client.post(f"{path}/execute", json={})).status_code == 202
    same_host = await client.patch(path, json={"spec": reads("https://one.example/other")})
    assert (await client.post(f"{path}/execute", json={})).status_code == 202, same_host.text
    await client.patch(path, json={"spec": reads("https://two.example")})
    refused = (await client.post(f"{path}/execute", json={})).json()
    assert (refused["code"], [item["name"] for item in refused["errors"]]) == ("WORKFLOW_NOT_CONFIRMED", ["two.example"])
    assert (await client.post(f"{path}/execute", json={"version": 1})).status_code == 202
    own = await make(client, "own", reads("https://one.example"))
    await client.patch(f"/workflows/{own['id']}", json={"spec": reads("https://two.example")})
    assert (await client.post(f"/workflows/{own['id']}/execute", json={})).status_code == 202
    wrong = await client.post("/workflows/import", json=reads("https://one.example"), params={"confirm": "0" * 64})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "SPEC_CHANGED")


@one_database
async def test_s62_looking_and_importing_execute_nothing(client, container, tmp_path, monkeypatch):
    """S62: templates, expressions and configs that would leave a trace if anything of them were evaluated or opened."""
    canary = tmp_path / "canary"
    opened = []
    monkeypatch.setattr(container.workflows._judges.of_tenant.__self__.sources, "_probe", lambda *_: opened.append(1))
    touch = f"import_module('pathlib').Path('{canary}').touch()"
    bad = (
        f"{{{{ {touch} }}}}",
        f"{{{{ ().__class__.__base__.__subclasses__() or {touch} }}}}",
        f"{{% for x in [{touch}] %}}{{% endfor %}}",
    )
    for number in range(200):
        text = bad[number % 3]
        kind = ("transform", "http", "db", "llm", "router", "document")[number % 6]
        config = {"value": text, "url": text, "query": text, "prompt": text, "path": str(canary)}
        source = {"id": "s", "kind": "db", "config": {"path": str(canary), "url": text}}
        node = {"id": "a", "type": kind, "source": "s", "config": config, "when": text}
        document = {"name": "bad", "sources": [source], "nodes": [node], "edges": [{"from": "a", "to": "a", "condition": touch}]}
        path = "/workflows/import/preview" if number % 2 else "/workflows/import"
        answer = await client.post(path, json=document)
        assert answer.status_code in {200, 422}, answer.text
    assert not canary.exists()
    assert opened == []


@one_database
async def test_what_cannot_be_imported_is_said_in_the_preview(client):
    """No object, a broken graph, another media type: the preview says so, and importing is refused with the same problems."""
    assert (await client.post("/workflows/import/preview", json=[])).status_code == 422
    broken = {**SPEC, "edges": [{"from": "a", "to": "nowhere"}]}
    look = (await client.post("/workflows/import/preview", json=broken)).json()
    assert (look["importable"], look["valid"], look["uses"], [item["code"] for item in look["errors"]]) == (
        False,
        False,
        NOTHING,
        ["DANGLING_EDGE"],
    )
    refused = (await client.post("/workflows/import", json=broken)).json()
    assert [item["code"] for item in refused["errors"]] == ["DANGLING_EDGE"]
    assert (await client.post("/workflows/import/preview", content=b"x", headers={"Content-Type": "text/plain"})).status_code == 415
    deep = {**SPEC, "nodes": [{"id": "a", "type": "transform", "config": {"value": json.loads("[" * 90 + "]" * 90)}}]}
    assert (await client.post("/workflows/import/preview", json=deep)).status_code in {200, 400}


@one_database
async def test_code_of_plugins_and_calls_to_anywhere_are_named(client, container):
    """A node type that did not come with the product, one whose effect cannot be told, and a host that only the run will know."""

    class Config(NodeConfig):
        """Nothing."""

    class Odd(NodeType[Config]):
        """A node type of somebody else."""

        type = "odd"
        title = description = "Odd"
        category = "data"
        icon = "x"
        config_model = Config
        example = {"id": "odd", "type": "odd", "config": {}}  # noqa: RUF012 - as the base has it

        def effect(self, config):
            raise RuntimeError

        def reaches(self, config):
            raise RuntimeError

        async def run(self, context, config):
            return {}

    container.registry.add(Odd(), plugin=True)
    document = {"name": "odd", "nodes": [{"id": "a", "type": "odd", "config": {}}], "edges": []}
    look = (await client.post("/workflows/import/preview", json=document)).json()
    assert (look["uses"]["plugins"], look["uses"]["hosts"], look["uses"]["effects"]) == (["odd"], ["*"], ["odd"])


@one_database
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.example/x?y=https://b.example", "a.example"),
        ("https://user:pass@a.example:8443/x", "a.example:8443"),
        ("https://ok.example@evil.example/", "evil.example"),
        ("https://a.example\\@b.example/", "a.example"),
        ("HTTPS://A.Example#x", "a.example"),
        ("https://{{ inputs.host }}/", "*"),
        ("https://a.{{ inputs.host }}", "*"),
        ("{{ inputs.url }}", "*"),
        ("{% if 1 %}https://a.example{% endif %}", "*"),
        ("https://a.example/{{ inputs.path }}", "a.example"),
    ],
)
async def test_the_host_of_a_url_is_told_as_it_will_be_called(client, url, host):
    """Whatever is written around it; where a template decides, it may be any."""
    look = (await client.post("/workflows/import/preview", json=reads(url))).json()
    assert look["uses"]["hosts"] == [host]


async def test_a_copy_goes_its_own_way(app, client):
    """Of one's own, by either path: it knows where it is from; what is private stays so, what is not confirmed is not in the copy."""
    made = await make(client)
    copy = (await client.post("/workflows/fork", json={"source_id": made["id"], "name": "copy"})).json()
    assert (copy["fork_from_id"], copy["name"], copy["version"], copy["is_foreign"]) == (made["id"], "copy", 1, False)
    await client.patch(f"/workflows/{copy['id']}", json={"spec": {**SPEC, "description": "other"}})
    assert (await client.get(f"/workflows/{made['id']}")).json()["spec"] == made["spec"]
    again = await client.post(f"/workflows/{made['id']}/fork")
    assert (again.status_code, again.json()["name"]) == (201, "plan (copy)")
    async with working_as(app, client, "ada", "developer") as ada:
        secret = (await make(ada, "secret", visibility="private"))["id"]
        assert (await ada.post(f"/workflows/{secret}/fork", json={})).json()["visibility"] == "private"
    foreign = (await imported(client, reads("https://one.example")))["id"]
    forked = (await client.post(f"/workflows/{foreign}/fork", json={"name": "again"})).json()
    assert forked["is_foreign"]
    assert (await client.post(f"/workflows/{forked['id']}/execute", json={})).json()["code"] == "WORKFLOW_NOT_CONFIRMED"
    for body in ({}, {"source_id": "x", "link": "y"}):
        assert (await client.post("/workflows/fork", json=body)).status_code == 422


async def test_s30_only_what_is_public_or_linked_is_copied_from_another_organisation(app, client):
    """S30: a private one is not there; a copy has no secrets, uses nothing of its new organisation unasked, and outlives its original."""
    made = await make(client, "talks", TALKS)
    path = f"/workflows/{made['id']}"
    async with elsewhere(app, client) as there:
        await there.post("/sources", json={"name": "shop", "kind": "http", "config": {"base_url": "https://mine.example"}})
        for name in ("SHOP_TOKEN", "BOOKS_PASSWORD"):
            await there.post("/secrets", json={"name": name, "value": "of the second"})
        for body in ({"source_id": made["id"]}, {"source_id": "talks"}, {"link": "afw_nothing"}):
            assert (await there.post("/workflows/fork", json=body)).status_code == 404
        link = (await client.post(f"{path}/links", json={"max_uses": 1})).json()["token"]
        by_link = await there.post("/workflows/fork", json={"link": link, "name": "by link"})
        assert (by_link.status_code, by_link.json()["fork_from_id"]) == (201, made["id"]), by_link.text
        assert (await there.post("/workflows/fork", json={"link": link})).json()["code"] == "LINK_NOT_FOUND"
        await client.put(f"{path}/share", json={"visibility": "public"})
        copy = await there.post(f"{path}/fork", json={})
        assert (copy.status_code, CANARY in copy.text) == (201, False), copy.text
        mine = copy.json()
        assert (mine["fork_from_id"], mine["is_foreign"], mine["visibility"]) == (made["id"], True, "organisation")
        assert (await there.post(f"/workflows/{mine['id']}/execute", json={})).json()["code"] == "WORKFLOW_NOT_CONFIRMED"
        await client.put(f"{path}/share", json={"visibility": "private"})
        await client.delete(path)
        assert (await there.get(f"/workflows/{mine['id']}")).json()["spec"] == mine["spec"]
        assert [details["fork_of"] for _, details in await actions(there, "workflow.imported")] == [made["id"], made["id"]]
        assert CANARY not in (await there.get("/audit?limit=200")).text


async def test_who_may_not_confirm_does_not(app, client):
    """An executor may start what is confirmed, and confirm nothing; an importer without the right cannot confirm either."""
    await client.post("/roles", json={"name": "importer", "permissions": ["workflows:read", "workflows:write", "workflows:execute"]})
    document = reads("https://one.example")
    async with working_as(app, client, "eve", "executor") as eve, working_as(app, client, "ian", "importer") as ian:
        look = (await ian.post("/workflows/import/preview", json=document)).json()
        refused = await ian.post("/workflows/import", json=document, params={"confirm": look["spec_hash"]})
        assert refused.status_code == 403
        made = await imported(ian, document)
        path = f"/workflows/{made['id']}/confirmation"
        for person in (eve, ian):
            assert (await person.get(path)).json()["is_confirmed"] is False
            assert (await person.post(path, json={"spec_hash": look["spec_hash"]})).status_code == 403
        assert (await eve.post("/workflows/import/preview", json=document)).status_code == 403


async def test_a_confirmation_does_not_cover_a_change_that_comes_at_the_same_moment(client):
    """Of a confirmation and a new version at once, what is confirmed is what was looked at."""
    made = await imported(client, reads("https://one.example"))
    path = f"/workflows/{made['id']}"
    digest = (await client.get(f"{path}/confirmation")).json()["spec_hash"]
    await asyncio.gather(
        client.post(f"{path}/confirmation", json={"spec_hash": digest}),
        client.patch(path, json={"spec": reads("https://two.example")}),
    )
    shown = (await client.get(f"{path}/confirmation")).json()
    assert shown["confirmed_hash"] in {None, digest}
    assert (shown["version"] == 1) or shown["open"]["hosts"] == ["two.example"]


async def test_a_subworkflow_that_nobody_confirmed_fails_its_parent(client):
    """What came from outside does not run as part of something else either."""
    child = await imported(client, reads("https://one.example"))
    parent = {"name": "parent", "nodes": [{"id": "a", "type": "subworkflow", "config": {"workflow": child["id"]}}], "edges": []}
    run = (await client.post("/execute?wait=20", json={"spec": parent})).json()
    assert (run["status"], run["error"]["code"]) == ("failed", "WORKFLOW_NOT_CONFIRMED")
