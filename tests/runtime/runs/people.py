"""Runs that ask, and waiting for them through the API."""

import json


def spec(*nodes, edges=(), outputs=None):
    """Return a specification of nodes, the first of which is the start; an edge may be written ``"a>b"``."""
    ways = [dict(zip(("from", "to"), edge.split(">"), strict=True)) if isinstance(edge, str) else edge for edge in edges]
    return {
        "name": "asks",
        "start_node": nodes[0]["id"],
        "nodes": list(nodes),
        "edges": ways,
        **({"outputs": outputs} if outputs is not None else {}),
    }


def human(node_id="ask", **config):
    """Return a ``human`` node."""
    return {"id": node_id, "type": "human", "config": {"title": "Pay 120 EUR?", **config}}


def event(node_id="wait", name="paid", **config):
    """Return a ``wait_for_event`` node."""
    return {"id": node_id, "type": "wait_for_event", "config": {"event": name, **config}}


async def start(client, document, **body):
    """Start a run and return its id."""
    answer = await client.post("/execute", json={"spec": document, **body})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def started_waiting(client, document, **body):
    """Start a run, and return its id once it waits."""
    run_id = await start(client, document, **body)
    await until(client, run_id, "run.waiting")
    return run_id


async def until(client, run_id, type_, times=1):
    """Follow a run to the ``times``-th event of a type and return that event."""
    seen = 0
    async with client.stream("GET", f"/runs/{run_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                seen += event["type"] == type_
                if seen == times:
                    return event
    raise AssertionError(f"{type_} came {seen} times, not {times}")


async def ended(client, run_id):
    """Follow a run to its end and return it."""
    async with client.stream("GET", f"/runs/{run_id}/events", headers={"Accept": "text/event-stream"}) as stream:
        async for _ in stream.aiter_lines():
            pass
    return (await client.get(f"/runs/{run_id}")).json()


async def events(client, run_id, type_):
    """Return the data of a run's stored events of a type."""
    items = (await client.get(f"/runs/{run_id}/events")).json()["items"]
    return [item["data"] for item in items if item["type"] == type_]


async def answer(client, run_id, **body):
    """Answer a run and return the status and the body."""
    reply = await client.post(f"/runs/{run_id}/interrupt", json=body)
    return reply.status_code, reply.json()
