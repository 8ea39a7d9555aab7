"""Step mode and breakpoints through the API."""

from tests.runtime.runs.people import answer, ended, spec, started_waiting, until


def text(node_id, value):
    return {"id": node_id, "type": "transform", "config": {"value": value}}


DOCUMENT = spec(text("a", 1), text("b", "{{ nodes.a + 1 }}"), text("c", "{{ nodes.b + 1 }}"), edges=["a>b", "b>c"])


async def waiting(client, run_id):
    (asked,) = [i for i in (await client.get(f"/runs/{run_id}/interrupts")).json()["items"] if i["status"] == "open"]
    return asked


async def test_a_step_shows_what_would_run(client):
    """Each stop has the config with its templates filled in; finish runs to the end."""
    run_id = await started_waiting(client, DOCUMENT, mode="step")
    first = await waiting(client, run_id)
    assert (first["kind"], first["request"]) == ("before", {"node": "a", "choices": ["continue", "finish"], "config": {"value": 1}})
    assert (await answer(client, run_id, decision="continue", interrupt_id=first["id"]))[0] == 200
    await until(client, run_id, "run.waiting", 2)
    assert (await waiting(client, run_id))["request"]["config"] == {"value": 2}
    assert (await answer(client, run_id, decision="approve"))[0] == 422
    assert (await answer(client, run_id, decision="continue", interrupt_id=first["id"]))[0] == 200  # the same answer, once more
    assert (await waiting(client, run_id))["node_id"] == "b"
    assert (await answer(client, run_id, decision="finish"))[0] == 200
    assert (await ended(client, run_id))["outputs"] == 3


async def test_breakpoints_stop_before_and_behind(client):
    """Behind a node stands what came out of it; a node that does not exist is refused."""
    run_id = await started_waiting(client, DOCUMENT, interrupt_before=["c"], interrupt_after=["a"])
    assert (await waiting(client, run_id))["request"] == {"node": "a", "choices": ["continue", "finish"], "output": 1}
    await answer(client, run_id, decision="continue")
    await until(client, run_id, "run.waiting", 2)
    assert (await waiting(client, run_id))["request"]["config"] == {"value": 3}
    await answer(client, run_id, decision="continue")
    assert (await ended(client, run_id))["outputs"] == 3
    refused = await client.post("/execute", json={"spec": DOCUMENT, "interrupt_before": ["nothing"]})
    assert refused.status_code == 422
