"""Deleting runs through the front door."""

from typing import Any

import httpx

from tests.interfaces.rest.test_runs import SLOW, start

HELLO: dict[str, Any] = {
    "name": "hello",
    "start_node": "hi",
    "nodes": [{"id": "hi", "type": "transform", "config": {"value": "Hello"}}],
}


async def test_an_ended_run_is_deleted(client: httpx.AsyncClient):
    """It is gone from everywhere; a second time it is not there."""
    run = (await start(client)).json()
    assert (await client.delete(f"/runs/{run['id']}")).status_code == 204
    for path in (f"/runs/{run['id']}", f"/runs/{run['id']}/nodes", f"/runs/{run['id']}/events"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"/runs/{run['id']}")).status_code == 404


async def test_a_run_that_has_not_ended_is_409(client: httpx.AsyncClient):
    """The answer names the way out."""
    run = (await start(client, SLOW, wait=0)).json()
    refused = await client.delete(f"/runs/{run['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "RUN_NOT_ENDED")
    assert "Cancel" in refused.json()["hint"]


async def test_a_workflow_says_how_long_its_runs_are_kept(client: httpx.AsyncClient):
    """Set, read, and taken away by PATCH; pruning follows it at once."""
    workflow = (await client.post("/workflows", json={"spec": HELLO})).json()
    assert workflow["retention"] is None
    path = f"/workflows/{workflow['id']}"
    changed = await client.patch(path, json={"retention": {"max_runs": 1}})
    assert changed.json()["retention"] == {"max_age_days": None, "max_runs": 1, "keep_failed": False}
    for _ in range(3):
        assert (await client.post(f"{path}/execute?wait=30", json={})).status_code == 200
    assert (await client.post("/runs/prune?dry_run=true")).json() == {"runs": 2, "dry_run": True}
    assert (await client.post("/runs/prune")).json() == {"runs": 2, "dry_run": False}
    assert len((await client.get("/runs")).json()["items"]) == 1
    assert (await client.patch(path, json={"description": "x"})).json()["retention"]["max_runs"] == 1
    assert (await client.patch(path, json={"retention": None})).json()["retention"] is None


async def test_impossible_retention_is_422(client: httpx.AsyncClient):
    """Negative, unknown and mistyped values are named."""
    workflow = (await client.post("/workflows", json={"spec": HELLO})).json()
    for bad in ({"max_runs": -1}, {"max_age_days": "7"}, {"days": 1}, {"max_runs": 2**40}, []):
        assert (await client.patch(f"/workflows/{workflow['id']}", json={"retention": bad})).status_code == 422, bad
