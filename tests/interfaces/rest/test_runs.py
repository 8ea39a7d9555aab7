"""Starting runs and reading them back through the API."""

import asyncio
import json

import pytest

SPEC = {
    "name": "greeting",
    "inputs": {"type": "object", "required": ["who"], "properties": {"who": {"type": "string"}}},
    "outputs": {"text": "{{ nodes.greet }}"},
    "start_node": "greet",
    "nodes": [{"id": "greet", "type": "transform", "config": {"value": "Hello {{ inputs.who }}"}}],
    "edges": [],
    "tags": ["spec-tag"],
}
SLOW = {"name": "slow", "start_node": "wait", "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 600}}], "edges": []}


async def start(client, spec=SPEC, wait=10, **body):
    return await client.post(f"/execute?wait={wait}" if wait else "/execute", json={"spec": spec, "inputs": {"who": "Ada"}, **body})


def frames(text):
    """Return the events of a stream as (id, event, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        if not block.startswith(":"):
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((int(fields["id"]) if "id" in fields else None, fields["event"], json.loads(fields["data"])))
    return found


async def test_a_specification_runs_without_being_stored(client):
    """`/execute` with `wait` gives the finished run."""
    answer = await start(client, tags=["mine"], lane="fast", priority=3)
    run = answer.json()
    assert answer.status_code == 200
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert (run["status"], run["outputs"], run["workflow_id"]) == ("succeeded", {"text": "Hello Ada"}, None)
    assert (run["tags"], run["lane"], run["priority"]) == (["spec-tag", "mine"], "fast", 3)
    assert (await client.get(f"/runs/{run['id']}")).json() == run
    assert (await client.get("/workflows?count=true")).json()["total"] == 0


async def test_a_stored_workflow_runs_by_id_and_by_name_at_a_version(client):
    """A run is pinned to the version asked for."""
    workflow = (await client.post("/workflows", json={"spec": SPEC})).json()
    changed = {**SPEC, "outputs": {"text": "Bye"}}
    await client.patch(f"/workflows/{workflow['id']}", json={"spec": changed})
    newest = (await client.post("/workflows/greeting/execute?wait=10", json={"inputs": {"who": "A"}})).json()
    older = (await client.post(f"/workflows/{workflow['id']}/execute?wait=10", json={"inputs": {"who": "A"}, "version": 1})).json()
    assert (newest["workflow_version"], newest["outputs"]) == (2, {"text": "Bye"})
    assert (older["workflow_version"], older["outputs"]) == (1, {"text": "Hello A"})
    assert (await client.post("/workflows/greeting/execute", json={"version": 9})).json()["code"] == "VERSION_NOT_FOUND"
    assert (await client.post("/workflows/nothing/execute", json={})).json()["code"] == "WORKFLOW_NOT_FOUND"


async def test_inputs_that_do_not_fit_start_nothing(client):
    """The answer says where, and no run exists."""
    answer = await client.post("/execute", json={"spec": SPEC, "inputs": {"who": 3}})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_INPUTS")
    assert answer.json()["errors"][0]["path"] == "/inputs/who"
    assert (await client.get("/runs?count=true")).json()["total"] == 0


async def test_an_invalid_specification_starts_nothing(client):
    """All its problems are in the answer."""
    answer = await client.post("/execute", json={"spec": {**SPEC, "edges": [{"from": "greet", "to": "nowhere"}], "start_node": "x"}})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_SPEC")
    assert {"DANGLING_EDGE", "UNKNOWN_START_NODE"} <= {error["code"] for error in answer.json()["errors"]}


async def test_without_wait_the_answer_is_that_it_was_accepted(client):
    """202 comes at once, and so does a wait that is too short; the run goes on."""
    accepted = await start(client, SLOW, wait=0)
    waited = await client.post("/execute?wait=0.05", json={"spec": SLOW})
    assert (accepted.status_code, waited.status_code) == (202, 202)
    assert accepted.json()["status"] in ("queued", "running")


async def test_a_key_starts_a_run_once(client):
    """The same key and body give the same run, also from twenty requests at once; another body is refused."""
    headers = {"Idempotency-Key": "order-7"}
    body = {"spec": SPEC, "inputs": {"who": "Ada"}}
    answers = await asyncio.gather(*(client.post("/execute", json=body, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await client.post("/execute", json={"spec": SPEC, "inputs": {"who": "Bob"}}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await client.get("/runs?count=true")).json()["total"] == 1


async def test_runs_are_listed_filtered_and_paged(client):
    """Filters narrow, cursors neither skip nor repeat, fields cut, count counts."""
    ids = [(await start(client, tags=["even" if number % 2 == 0 else "odd"])).json()["id"] for number in range(5)]
    await start(client, {**SPEC, "name": "other"})
    query = {"limit": 2, "q": "GREET", "sort": "created_at:asc", "fields": "id,status"}
    first = (await client.get("/runs", params=query | {"count": True})).json()
    second = (await client.get("/runs", params=query | {"cursor": first["next_cursor"]})).json()
    third = (await client.get("/runs", params=query | {"cursor": second["next_cursor"]})).json()
    assert first["total"] == 5
    assert third["next_cursor"] is None
    assert [item for page in (first, second, third) for item in page["items"]] == [{"id": id_, "status": "succeeded"} for id_ in ids]
    assert (await client.get("/runs", params=query | {"page": 2})).json()["items"] == second["items"]
    odd = (await client.get("/runs", params={"tag": "odd"})).json()["items"]
    assert {item["id"] for item in odd} == {ids[1], ids[3]}
    assert (await client.get("/runs", params={"status": ["failed", "cancelled"]})).json()["items"] == []
    assert len((await client.get("/runs", params={"created_after": "2020-01-01T00:00:00Z"})).json()["items"]) == 6
    assert (await client.get("/runs", params={"created_before": "2020-01-01T00:00:00+02:00"})).json()["items"] == []


async def test_the_nodes_of_a_run_tell_what_they_did(client):
    """Input, output, attempts and times of each node, in order."""
    run = (await start(client)).json()
    (node,) = (await client.get(f"/runs/{run['id']}/nodes")).json()["items"]
    assert (node["node_id"], node["status"], node["attempts"]) == ("greet", "completed", 1)
    assert (node["input"], node["output"]) == ({"value": "Hello Ada"}, "Hello Ada")
    assert node["duration_ms"] >= 0


async def test_a_run_is_cancelled_once(client):
    """Cancelling ends a run within two seconds; a second time changes nothing."""
    run = (await start(client, SLOW, wait=0)).json()
    async with asyncio.timeout(2):
        cancelled = (await client.post(f"/runs/{run['id']}/cancel")).json()
    assert cancelled["status"] == "cancelled"
    assert (await client.post(f"/runs/{run['id']}/cancel")).json() == cancelled


async def test_events_come_as_a_list_in_pages(client):
    """Sequence numbers have no gap, and `next_after` leads on."""
    run = (await start(client)).json()
    whole = (await client.get(f"/runs/{run['id']}/events")).json()
    assert [event["seq"] for event in whole["items"]] == list(range(1, len(whole["items"]) + 1))
    assert whole["items"][0]["type"] == "run.queued"
    assert whole["items"][-1]["type"] == "run.succeeded"
    assert whole["next_after"] is None
    first = (await client.get(f"/runs/{run['id']}/events?limit=2")).json()
    rest = (await client.get(f"/runs/{run['id']}/events", params={"after": first["next_after"]})).json()
    assert first["items"] + rest["items"] == whole["items"]


async def test_a_stream_resumes_from_any_point_without_gap_or_repeat(client):
    """From every sequence number the stream gives exactly what follows; Last-Event-ID wins over `after`."""
    run = (await start(client)).json()
    events = (await client.get(f"/runs/{run['id']}/events")).json()["items"]
    for after in range(len(events)):
        answer = await client.get(
            f"/runs/{run['id']}/events", params={"after": 1}, headers={"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert frames(answer.text) == [(event["seq"], event["type"], event) for event in events[after:]]


async def test_a_stream_follows_live_and_a_reader_that_leaves_harms_nobody(client):
    """One reader leaves early; another sees the run to its end."""
    run = (await start(client, SLOW, wait=0)).json()
    headers = {"Accept": "text/event-stream"}
    seen = []
    async with client.stream("GET", f"/runs/{run['id']}/events", headers=headers) as leaving:
        async for line in leaving.aiter_lines():
            if line == "event: node.started":
                break
    async with client.stream("GET", f"/runs/{run['id']}/events", headers=headers) as staying:
        async for line in staying.aiter_lines():
            if line.startswith("event: "):
                seen.append(line[7:])
                if line == "event: node.started":
                    await client.post(f"/runs/{run['id']}/cancel")
    assert seen[0] == "run.queued"
    assert seen[-1] == "run.cancelled"


async def test_a_stopping_server_ends_its_streams(client, app):
    """The stream ends without an event, so that the reader resumes elsewhere."""
    run = (await start(client, SLOW, wait=0)).json()
    async with client.stream("GET", f"/runs/{run['id']}/events", headers={"Accept": "text/event-stream"}) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "id: 1"
        app.state.stopping.set()
        rest = [line async for line in lines]
    assert "event: run.cancelled" not in rest


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "x"])
async def test_a_wait_is_between_zero_and_a_minute(client, wait):
    """Longer waits are refused, not cut."""
    answer = await client.post(f"/execute?wait={wait}", json={"spec": SPEC})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID")
