"""Checkpoints, forks and retries through the API."""

from tests.interfaces.rest.test_runs import start

SPEC = {
    "name": "sum",
    "start_node": "a",
    "nodes": [
        {"id": "a", "type": "transform", "config": {"value": "{{ 1 }}"}},
        {"id": "b", "type": "transform", "config": {"value": "{{ nodes.a + inputs.add }}"}},
        {"id": "c", "type": "transform", "config": {"value": "{{ 10 // nodes.b }}"}},
    ],
    "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
    "inputs": {"type": "object", "properties": {"add": {"type": "integer"}}},
}


async def run_of(client, add, **body):
    return (await start(client, SPEC, inputs={"add": add}, **body)).json()


async def end_of(client, run_id):
    events = (await client.get(f"/runs/{run_id}/events", headers={"accept": "text/event-stream"})).text
    assert "event: run." in events
    return (await client.get(f"/runs/{run_id}")).json()


async def test_a_run_that_failed_is_retried_with_a_pinned_output(client):
    failed = await run_of(client, -1)
    assert failed["status"] == "failed"
    begun = await client.post(f"/runs/{failed['id']}/retry", json={"pinned": {"b": 5}, "from_node": "b"})
    again = await end_of(client, begun.json()["id"])
    assert begun.status_code == 202
    assert (again["status"], again["outputs"]) == ("succeeded", 2)
    assert (again["origin_run_id"], again["origin_kind"]) == (failed["id"], "retry")


async def test_a_run_is_looked_at_compared_and_forked(client):
    run = await run_of(client, 1)
    points = (await client.get(f"/runs/{run['id']}/checkpoints?count=true&sort=id:desc")).json()
    last, first = points["items"][0]["id"], points["items"][-1]["id"]
    state = (await client.get(f"/runs/{run['id']}/checkpoints/{first}")).json()
    diff = (await client.get(f"/runs/{run['id']}/checkpoints/diff?from={first}&to={last}")).json()
    begun = await client.post(f"/runs/{run['id']}/fork", json={"checkpoint": first, "state": {"nodes": {"a": 4}}})
    fork = await end_of(client, begun.json()["id"])
    assert points["total"] == 3
    assert state["nodes"] == {"a": 1}
    assert diff == {"added": {"b": 2, "c": 5}, "removed": {}, "changed": {}}
    assert fork["outputs"] == 2


async def test_inputs_are_changed_at_the_begin_only(client):
    run = await run_of(client, 1)
    refused = await client.post(f"/runs/{run['id']}/fork", json={"state": {"inputs": {"add": 3}}})
    begun = await client.post(f"/runs/{run['id']}/fork", json={"checkpoint": 0, "state": {"inputs": {"add": 4}}})
    wrong = await client.post(f"/runs/{run['id']}/fork", json={"checkpoint": 0, "state": {"inputs": {"add": "x"}}})
    assert refused.status_code == 422
    assert (await end_of(client, begun.json()["id"]))["outputs"] == 2
    assert (wrong.status_code, wrong.json()["code"]) == (422, "INVALID_INPUTS")


async def test_what_cannot_be_retried_or_found_is_named(client):
    run = await run_of(client, 1)
    retry = await client.post(f"/runs/{run['id']}/retry", json={})
    missing = await client.get(f"/runs/{run['id']}/checkpoints/999")
    nobody = await client.post("/runs/019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a/retry")
    assert (retry.status_code, retry.json()["code"]) == (409, "RUN_NOT_RETRYABLE")
    assert (missing.status_code, missing.json()["code"]) == (404, "CHECKPOINT_NOT_FOUND")
    assert nobody.status_code == 404


async def waiting(client, run_id, times):
    """Wait until a run waits for the ``times``-th time."""
    after, seen = 0, 0
    while seen < times:
        page = (await client.get(f"/runs/{run_id}/events?after={after}", headers={"accept": "application/json"})).json()["items"]
        seen += sum(event["type"] == "run.waiting" for event in page)
        assert not any(event["type"] in {"run.failed", "run.succeeded"} for event in page)
        after = page[-1]["seq"] if page else after


async def test_step_mode_is_asked_for_and_answered(client):
    begun = (await client.post("/execute", json={"spec": SPEC, "inputs": {"add": 1}, "mode": "step"})).json()
    for times, node in enumerate(("a", "b", "c"), start=1):
        await waiting(client, begun["id"], times)
        answer = await client.post(f"/runs/{begun['id']}/interrupt", json={"node_id": node, "decision": "continue"})
        assert answer.status_code == 200
    assert (await end_of(client, begun["id"]))["outputs"] == 5


async def test_the_same_key_retries_once(client):
    failed = await run_of(client, -1)
    first, second = [await client.post(f"/runs/{failed['id']}/retry", headers={"Idempotency-Key": "again"}) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
