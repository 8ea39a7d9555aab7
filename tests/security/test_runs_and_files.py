"""Attacks that run: what nodes and models wrote, foreign workflows and collections, objects in values, files that are no code."""

import stat
import sys
from pathlib import Path

import pytest

from tests.identity.people import bearer, speaking, working_as

HELLO = {"name": "hello", "nodes": [{"id": "say", "type": "transform", "config": {"value": "hi"}}], "edges": []}


async def ran(client, spec, **inputs):
    """Return a run at its end."""
    answer = await client.post("/execute?wait=20", json={"spec": spec, "inputs": inputs})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def in_another_organisation(ada):
    """Return the token of somebody who owns another organisation."""
    second = (await ada.post("/tenants", json={"name": "Second"})).json()["id"]
    return (await ada.post("/auth/tenant", json={"tenant_id": second})).json()["access_token"]


async def test_s30_a_subworkflow_reaches_nothing_of_another_organisation(app, client, quick_hashes):
    """By id and by name a foreign workflow is one that does not exist, when it is started as a child as well."""
    mine = (await client.post("/workflows", json={"name": "payroll", "spec": HELLO})).json()["id"]
    async with working_as(app, client, "ada", "owner") as ada:
        token = await in_another_organisation(ada)
    async with speaking(app, bearer(token)) as there:
        for name in (mine, "payroll"):
            spec = {"name": "thief", "nodes": [{"id": "a", "type": "subworkflow", "config": {"workflow": name}}], "edges": []}
            answer = await there.post("/execute?wait=20", json={"spec": spec})
            body = answer.json()
            assert answer.status_code == 422 or body["status"] == "failed", body
            if answer.status_code == 200:
                assert body["error"]["code"] == "WORKFLOW_NOT_FOUND"
            assert (await there.post(f"/workflows/{name}/execute", json={"inputs": {}})).status_code == 404


FOREIGN = [{}, {"tenant_id": {"$ne": "x"}}, {"collection_id": "papers"}, {"n": 1}, {"$or": [{"n": 1}, {"n": {"$exists": False}}]}]
"""Filters that would match the texts of others."""


async def test_s41_a_search_finds_nothing_of_another_organisation(app, client, quick_hashes):
    """Neither the foreign id, nor a collection of the same name, nor a filter, nor a large number of matches shows a foreign text."""
    new = {"name": "papers", "embedding_model": "hashing-384"}
    foreign = (await client.post("/collections", json=new)).json()["id"]
    await client.post("/collections/papers/documents", json={"documents": [{"id": "d", "text": "our salaries", "metadata": {"n": 1}}]})
    async with working_as(app, client, "ada", "owner") as ada:
        token = await in_another_organisation(ada)
    async with speaking(app, bearer(token)) as there:
        own = (await there.post("/collections", json=new)).json()["id"]
        await there.post("/collections/papers/documents", json={"documents": [{"id": "mine", "text": "their own salaries"}]})
        assert (await there.post(f"/collections/{foreign}/search", json={"query": "salaries"})).status_code == 404
        assert (await there.post("/collections/papers/search", json={"query": "salaries", "top_k": 10_000})).status_code == 422
        for where in FOREIGN:
            answer = await there.post(f"/collections/{own}/search", json={"query": "salaries", "top_k": 100, "where": where})
            assert "our salaries" not in answer.text
        node = {"id": "a", "type": "vector_search", "config": {"collection": foreign, "query": "salaries"}}
        run = await ran(there, {"name": "thief", "nodes": [node], "edges": []})
        assert (run["status"], "our salaries" in str(run)) == ("failed", False)


async def test_s74_s148_what_a_node_wrote_meets_the_same_guards(client):
    """An address, a name of a secret and a template that come out of a node are an address, a text and a text."""
    wrote = {"url": "http://127.0.0.1:1/admin", "text": "{{ secrets.MASTER }}{{ 7 * 7 }}", "html": "<script>alert(1)</script>"}
    model = {"id": "model", "type": "transform", "config": {"value": "{{ inputs.wrote }}"}}
    call = {"id": "call", "type": "http", "config": {"url": "{{ nodes.model.url }}"}}
    run = await ran(client, {"name": "w", "nodes": [model, call], "edges": [{"from": "model", "to": "call"}]}, wrote=wrote)
    assert (run["status"], run["error"]["code"]) == ("failed", "SSRF_BLOCKED")
    say = {"id": "say", "type": "transform", "config": {"value": "{{ nodes.model.text }} and {{ nodes.model.html }}"}}
    run = await ran(
        client,
        {"name": "w", "nodes": [model, say], "edges": [{"from": "model", "to": "say"}], "outputs": {"said": "{{ nodes.say }}"}},
        wrote=wrote,
    )
    assert run["outputs"]["said"] == f"{wrote['text']} and {wrote['html']}"


async def test_s91_a_workflow_that_calls_itself_is_stopped(client):
    """At a depth that the error names; every run of the chain ends."""
    node = {"id": "again", "type": "subworkflow", "config": {"workflow": "ouroboros"}}
    made = await client.post("/workflows", json={"name": "ouroboros", "spec": {"name": "ouroboros", "nodes": [node], "edges": []}})
    assert made.status_code == 201, made.text
    answer = await client.post("/workflows/ouroboros/execute?wait=30", json={"inputs": {}})
    assert answer.json()["status"] == "failed", answer.text
    assert "deeper than" in answer.text
    runs = (await client.get("/runs?limit=200")).json()["items"]
    assert 5 < len(runs) < 20
    assert {run["status"] for run in runs} == {"failed"}


LANGCHAIN = [
    {"lc": 1, "type": "secret", "id": ["PATH"]},
    {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "ai", "AIMessage"], "kwargs": {"content": "x"}},
    {"lc": 2, "type": "constructor", "id": ["builtins", "eval"], "kwargs": {"args": ["1"]}, "method": "from_template"},
    {"lc": 1, "type": "not_implemented", "id": ["os", "system"], "repr": "x"},
]


async def test_s78_serialised_objects_of_langchain_stay_plain_data(client):
    """As an input, an output and in checkpoints of a run that branches and waits they are what they were."""
    nodes = [
        {"id": "given", "type": "input"},
        {"id": "left", "type": "transform", "config": {"value": "{{ inputs.objects }}"}},
        {"id": "ask", "type": "human", "config": {"title": "Go on?"}},
        {"id": "last", "type": "transform", "config": {"value": "{{ nodes.left }}"}},
    ]
    edges = [{"from": "given", "to": "left"}, {"from": "given", "to": "ask"}, {"from": "left", "to": "last"}, {"from": "ask", "to": "last"}]
    spec = {"name": "w", "nodes": nodes, "edges": edges, "start_node": "given", "outputs": {"end": "{{ nodes.last }}"}}
    answer = await client.post("/execute?wait=2", json={"spec": {**spec, "inputs": {"type": "object"}}, "inputs": {"objects": LANGCHAIN}})
    assert answer.status_code == 202, answer.text
    run = answer.json()["id"]
    answered = await client.post(f"/runs/{run}/interrupt", json={"node_id": "ask", "decision": "approve"})
    assert answered.status_code in {200, 202}, answered.text
    stream = await client.get(f"/runs/{run}/events", headers={"Accept": "text/event-stream"})
    assert "event: run.succeeded" in stream.text
    assert (await client.get(f"/runs/{run}")).json()["outputs"] == {"end": LANGCHAIN}


@pytest.mark.parametrize("name", ["sitecustomize.py", "evil.pth", "../../evil.py", "__init__.py", "run.sh"])
async def test_s63_what_users_may_write_is_never_code(client, settings, name):
    """What is sent lies where Python looks for nothing, under a name of ours, and nobody can execute it."""
    sent = await client.post("/artifacts", files={"file": (name, b"#!/bin/sh\nimport os", "text/x-python")})
    assert sent.status_code == 201, sent.text
    folder = settings.data_dir.resolve()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(path.name != Path(name).name and path.suffix not in {".py", ".pth"} for path in files)
    assert [path for path in files if path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)] == []
    assert not any(_is_searched(folder, entry) for entry in sys.path)


def _is_searched(folder, entry):
    searched = Path(entry or ".").resolve()
    return searched == folder or folder in searched.parents
