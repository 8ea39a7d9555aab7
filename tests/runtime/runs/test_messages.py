"""Events that runs wait for, through the API."""

import asyncio

from tests.runtime.runs.people import answer, ended, event, human, spec, start, started_waiting

PAID = {"type": "object", "required": ["paid"], "properties": {"paid": {"type": "boolean"}}}


async def send(client, name="paid", headers=None, **body):
    reply = await client.post("/events", json={"name": name, **body}, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def signal(client, run_id, name="paid", headers=None, **body):
    return await client.post(f"/runs/{run_id}/signal", json={"name": name, **body}, headers=headers)


async def test_an_event_goes_to_everybody_who_waits_for_its_name_and_key(client):
    """Waits with another key or name go on waiting; one without a key takes any."""
    keyed = spec({"id": "wait", "type": "wait_for_event", "config": {"event": "paid", "key": "{{ inputs.order }}"}})
    a, b = [await started_waiting(client, keyed, inputs={"order": order}) for order in ("a", "b")]
    any_, other = await started_waiting(client, spec(event())), await started_waiting(client, spec(event(name="shipped")))
    delivery = await send(client, key="a", data={"paid": True})
    assert (delivery["delivered"], delivery["refused"], set(delivery["run_ids"])) == (2, 0, {a, any_})
    for run_id in (a, any_):
        assert (await ended(client, run_id))["outputs"]["data"] == {"paid": True}
    assert [(await client.get(f"/runs/{run_id}")).json()["status"] for run_id in (b, other)] == ["waiting", "waiting"]
    assert (await send(client, data=None))["delivered"] == 0


async def test_data_that_do_not_fit_are_refused_by_those_who_say_so(client):
    """The event goes to the others."""
    strict = await started_waiting(client, spec(event(json_schema=PAID)))
    free = await started_waiting(client, spec(event()))
    assert await send(client, data={"paid": "yes"}) == {"delivered": 1, "refused": 1, "run_ids": [free]}
    assert (await send(client, data={"paid": True}))["run_ids"] == [strict]


async def test_an_event_sent_twice_with_one_key_counts_once(client):
    """The second request is answered like the first, though another run waits by then."""
    headers = {"Idempotency-Key": "e1"}
    await started_waiting(client, spec(event()))
    first = await send(client, headers=headers)
    await started_waiting(client, spec(event()))
    assert await send(client, headers=headers) == first


async def test_a_signal_waits_for_its_node(client):
    """Sent before the node begins, it is kept; each is taken once, in order."""
    nodes = [
        human(),
        event("one"),
        event("two"),
        {"id": "out", "type": "transform", "config": {"value": "{{ [nodes.one.data, nodes.two.data] }}"}},
    ]
    run_id = await started_waiting(client, spec(*nodes, edges=["ask>one", "one>two", "two>out"]))
    for data in (1, 2):
        assert (await signal(client, run_id, data=data)).json() == {"delivered": False}
    assert (await signal(client, run_id, name="other", data=3)).json() == {"delivered": False}
    await answer(client, run_id, decision="approve")
    assert (await ended(client, run_id))["outputs"] == [1, 2]


async def test_a_signal_reaches_the_node_that_waits(client):
    """Whatever the key it waits for; data that do not fit are refused with their place."""
    run_id = await started_waiting(client, spec(event(key="k", json_schema=PAID)))
    wrong = await signal(client, run_id, data={"paid": "yes"})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/data/paid")
    assert (await signal(client, run_id, data={"paid": True})).json() == {"delivered": True}
    run = await ended(client, run_id)
    me = (await client.get("/auth/me")).json()["user_id"]
    assert (run["outputs"]["data"], run["outputs"]["received"], run["outputs"]["by"]) == ({"paid": True}, True, me)
    late = await signal(client, run_id)
    assert (late.status_code, late.json()["code"]) == (409, "RUN_ENDED")


async def test_signals_at_once_and_a_node_that_begins_to_wait_meet(client):
    """However the two race, none is lost and none is taken twice."""
    nodes = [event(f"e{number}") for number in range(6)]
    out = {"id": "out", "type": "transform", "config": {"value": "{{ [" + ", ".join(f"nodes.e{n}.data" for n in range(6)) + "] }}"}}
    run_id = await start(client, spec(*nodes, out, edges=[*(f"e{n}>e{n + 1}" for n in range(5)), "e5>out"]))
    await asyncio.gather(*(signal(client, run_id, data=number) for number in range(6)))
    assert sorted((await ended(client, run_id))["outputs"]) == list(range(6))


async def test_a_signal_sent_twice_with_one_key_is_kept_once(client):
    """A client that repeats itself after a lost answer does no harm."""
    run_id = await started_waiting(client, spec(human(), event("one"), event("two"), edges=["ask>one", "one>two"]))
    for _ in range(2):
        await signal(client, run_id, data=1, headers={"Idempotency-Key": "s1"})
    await signal(client, run_id, data=2, headers={"Idempotency-Key": "s2"})
    await answer(client, run_id, decision="approve")
    assert (await ended(client, run_id))["outputs"]["data"] == 2


async def test_an_event_that_does_not_come_in_time(client):
    """The node fails with EVENT_TIMEOUT, or goes on with the default."""
    failed = await ended(client, await start(client, spec(event(timeout_s=0.2))))
    assert failed["error"]["code"] == "EVENT_TIMEOUT"
    run = await ended(client, await start(client, spec(event(timeout_s=0.2, on_timeout={"data": {"paid": False}}))))
    assert (run["outputs"]["data"], run["outputs"]["received"]) == ({"paid": False}, False)


async def test_a_person_can_stand_in_for_an_event(client):
    """The data are held to the schema as those of the event."""
    run_id = await started_waiting(client, spec(event(json_schema=PAID)))
    assert (await answer(client, run_id, values={}))[0] == 422
    assert (await answer(client, run_id, values={"paid": True}))[0] == 200
    assert (await ended(client, run_id))["outputs"]["data"] == {"paid": True}


async def test_a_wait_that_cannot_work_is_refused_at_once(client):
    """Validation names the fault."""
    for config, message in (
        ({"on_timeout": {"data": 1}}, "on_timeout needs timeout_s"),
        ({"timeout_s": 1, "json_schema": PAID, "on_timeout": {"data": {}}}, "does not fit json_schema"),
        ({"json_schema": {"$ref": "https://example.com/x"}}, "not fetched"),
    ):
        result = (await client.post("/workflows/validate", json={"spec": spec(event(**config))})).json()
        assert [error["code"] for error in result["errors"]] == ["INVALID_CONFIG"]
        assert message in result["errors"][0]["message"]
