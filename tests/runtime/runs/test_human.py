"""The ``human`` node through the API."""

import asyncio

import pytest

from tests.runtime.runs.people import answer, ended, events, human, spec, start, started_waiting, until

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number", "minimum": 0}, "note": {"type": "string"}},
    "required": ["amount"],
    "additionalProperties": False,
}


def text(node_id, value):
    return {"id": node_id, "type": "transform", "config": {"value": value}}


async def test_an_approval_leads_down_the_path_of_the_decision(client):
    """Approve and reject are edges apart; the output tells who decided, what was said, and when."""
    document = spec(
        human(message="New supplier."),
        text("pay", "paid"),
        text("stop", "stopped"),
        edges=[
            {"from": "ask", "to": "pay", "condition": "nodes.ask.decision == 'approve'"},
            {"from": "ask", "to": "stop", "condition": "nodes.ask.decision == 'reject'"},
        ],
        outputs={"how": "{{ nodes.pay or nodes.stop }}", "ask": "{{ nodes.ask }}"},
    )
    me = (await client.get("/auth/me")).json()["user_id"]
    for decision, how in (("approve", "paid"), ("reject", "stopped")):
        run_id = await started_waiting(client, document)
        assert (await answer(client, run_id, decision=decision, comment="Seen."))[0] == 200
        run = await ended(client, run_id)
        asked = run["outputs"]["ask"]
        assert run["outputs"]["how"] == how
        assert (asked["decision"], asked["values"], asked["by"], asked["comment"]) == (decision, None, me, "Seen.")
        assert asked["at"].endswith("Z")
        (told,) = await events(client, run_id, "interrupt.answered")
        assert (told["decision"], told["by"], told["comment"]) == (decision, me, "Seen.")


async def test_choosing_takes_one_of_the_options(client):
    """Anything else is refused, and the run goes on waiting."""
    run_id = await started_waiting(client, spec(human(mode="choose", options=["express", "standard"])))
    status, problem = await answer(client, run_id, decision="approve")
    assert (status, problem["code"]) == (422, "INVALID_ANSWER")
    assert problem["hint"] == "Choose one of express, standard."
    assert (await answer(client, run_id, decision="express", values={"x": 1}))[1]["errors"][0]["path"] == "/values"
    assert (await answer(client, run_id, decision="express"))[0] == 200
    assert (await ended(client, run_id))["outputs"]["decision"] == "express"


async def test_an_edited_value_goes_on_as_it_was_changed(client):
    """Left out, it goes on as it was; rejected, there is none."""
    document = spec(human(mode="edit", value={"amount": 120}, json_schema=SCHEMA))
    for given, values in (({"values": {"amount": 80, "note": "n"}}, {"amount": 80, "note": "n"}), ({}, {"amount": 120})):
        run_id = await started_waiting(client, document)
        assert (await answer(client, run_id, decision="approve", **given))[0] == 200
        assert (await ended(client, run_id))["outputs"]["values"] == values
    run_id = await started_waiting(client, document)
    assert (await answer(client, run_id, decision="reject"))[0] == 200
    assert (await ended(client, run_id))["outputs"]["values"] is None


async def test_a_form_tells_all_its_faults_at_once(client):
    """Each with its JSON pointer, and nothing is stored; a good form needs no decision."""
    run_id = await started_waiting(client, spec(human(mode="form", json_schema=SCHEMA)))
    status, problem = await answer(client, run_id, values={"amount": -1, "note": 3})
    assert (status, {error["path"] for error in problem["errors"]}) == (422, {"/values/amount", "/values/note"})
    assert (await answer(client, run_id))[1]["errors"][0]["path"] == "/values"
    assert (await client.get(f"/runs/{run_id}")).json()["status"] == "waiting"
    assert (await answer(client, run_id, values={"amount": 5}))[0] == 200
    assert (await ended(client, run_id))["outputs"] | {"by": "", "at": ""} == {
        "decision": "submit",
        "values": {"amount": 5},
        "comment": None,
        "by": "",
        "at": "",
    }


async def test_an_answer_that_is_too_large_is_refused(client):
    """By the limit on values, named."""
    run_id = await started_waiting(client, spec(human(mode="form", json_schema={"type": "string"})))
    status, problem = await answer(client, run_id, values="x" * 60_000)
    assert (status, problem["code"]) == (422, "LIMIT_EXCEEDED")


async def test_the_same_answer_again_is_no_second_one(client):
    """Sent twice it is answered alike, also after the run has ended; another one is 409."""
    run_id = await started_waiting(client, spec(human()))
    statuses = [(await answer(client, run_id, decision="approve"))[0] for _ in range(2)]
    await ended(client, run_id)
    assert [*statuses, (await answer(client, run_id, decision="approve"))[0]] == [200, 200, 200]
    status, problem = await answer(client, run_id, decision="reject")
    assert (status, problem["code"]) == (409, "ALREADY_ANSWERED")
    assert len(await events(client, run_id, "interrupt.answered")) == 1


async def test_of_many_answers_at_once_exactly_one_wins(client):
    """S44: ten approve and ten reject; all of one kind are answered alike, the others are told that they came late."""
    run_id = await started_waiting(client, spec(human()))
    decisions = ["approve", "reject"] * 10
    statuses = [status for status, _ in await asyncio.gather(*(answer(client, run_id, decision=one) for one in decisions))]
    won = (await ended(client, run_id))["outputs"]["decision"]
    assert {status for status, one in zip(statuses, decisions, strict=True) if one == won} == {200}
    assert {status for status, one in zip(statuses, decisions, strict=True) if one != won} == {409}


async def test_only_those_who_are_asked_may_answer(client, as_clerk):
    """S44: others are refused with 403; whom it was addressed to, by name or id, may."""
    as_clerk()
    me = (await client.get("/auth/me")).json()
    run_id = await started_waiting(client, spec(human(assignees=["user:ada", "role:boss"])))
    status, problem = await answer(client, run_id, decision="approve")
    assert (status, problem["code"]) == (403, "NOT_ASSIGNED")
    assert "user:ada, role:boss" in problem["detail"]
    for name in ("owner", me["user_id"]):
        run_id = await started_waiting(client, spec(human(assignees=[f"user:{name}"])))
        assert (await answer(client, run_id, decision="approve"))[0] == 200


async def test_an_expired_question_is_gone(client):
    """S44: answered late it is 410; the node fails with HUMAN_EXPIRED."""
    run_id = await start(client, spec(human(expires_in_s=0.2)))
    run = await ended(client, run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "HUMAN_EXPIRED")
    assert (await answer(client, run_id, decision="approve"))[0] == 410
    (told,) = await events(client, run_id, "interrupt.answered")
    assert (told["status"], told["by"]) == ("expired", None)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"on_expiry": {"decision": "reject"}}, ("reject", None)),
        ({"mode": "edit", "value": 7, "on_expiry": {"decision": "approve"}}, ("approve", 7)),
        (
            {"mode": "form", "json_schema": {"type": "integer"}, "on_expiry": {"decision": "submit", "values": 3}},
            ("submit", 3),
        ),
    ],
)
async def test_a_default_takes_the_place_of_an_answer(client, config, expected):
    """The run goes on as if somebody had given it; by is null."""
    run = await ended(client, await start(client, spec(human(expires_in_s=0.2, **config))))
    outputs = run["outputs"]
    assert (outputs["decision"], outputs["values"]) == expected
    assert outputs["by"] is None


async def test_an_expired_question_takes_the_error_route(client):
    """`on_error` of the node takes over."""
    document = spec(human(expires_in_s=0.2) | {"on_error": "late"}, text("late", "{{ nodes.ask.error.code }}"))
    assert (await ended(client, await start(client, document)))["outputs"] == "HUMAN_EXPIRED"


async def test_escalation_lets_others_answer_too(client, as_clerk):
    """An event tells it, once, and the run waits on without being woken again."""
    as_clerk()
    node = human(assignees=["user:ada"], escalate_after_s=0.3, escalate_to=["user:owner"])
    run_id = await started_waiting(client, spec(node))
    assert (await answer(client, run_id, decision="approve"))[0] == 403
    told = (await until(client, run_id, "interrupt.escalated"))["data"]
    assert told["assignees"] == ["user:ada", "user:owner"]
    await until(client, run_id, "run.waiting", 2)
    (asked,) = (await client.get(f"/runs/{run_id}/interrupts")).json()["items"]
    assert (asked["assignees"], asked["escalate_at"]) == (["user:ada", "user:owner"], None)
    assert (await answer(client, run_id, decision="approve"))[0] == 200
    await ended(client, run_id)
    assert len(await events(client, run_id, "interrupt.escalated")) == 1
    assert len(await events(client, run_id, "run.waiting")) == 2


async def test_what_was_shown_must_be_what_is_asked(client):
    """S44, S152: a hash of another question is 409; the right one is taken."""
    run_id = await started_waiting(client, spec(human()))
    (asked,) = (await client.get(f"/runs/{run_id}/interrupts")).json()["items"]
    status, problem = await answer(client, run_id, decision="approve", shown_hash="0" * 64)
    assert (status, problem["code"]) == (409, "SHOWN_DIFFERS")
    assert (await answer(client, run_id, decision="approve", shown_hash=asked["shown_hash"]))[0] == 200


async def test_an_answer_to_a_run_that_has_ended_is_refused(client):
    """A cancelled run takes none, and shows its question as cancelled."""
    run_id = await started_waiting(client, spec(human()))
    await client.post(f"/runs/{run_id}/cancel")
    status, problem = await answer(client, run_id, decision="approve")
    assert (status, problem["code"]) == (409, "ALREADY_ANSWERED")
    (asked,) = (await client.get(f"/runs/{run_id}/interrupts")).json()["items"]
    assert asked["status"] == "cancelled"


async def test_parallel_questions_are_answered_in_any_order(client):
    """Several waiting have to be named; each gets its own answer."""
    nodes = [
        text("a", 1),
        *(human(name) for name in ("x", "y", "z")),
        text("j", "{{ [nodes.x.comment, nodes.y.comment, nodes.z.comment] }}"),
    ]
    run_id = await started_waiting(client, spec(*nodes, edges=[{"from": "a", "to": ["x", "y", "z"]}, "x>j", "y>j", "z>j"]))
    assert (await answer(client, run_id, decision="approve"))[1]["detail"] == "Several nodes wait: x, y, z."
    for name in "zxy":
        assert (await answer(client, run_id, node_id=name, decision="approve", comment=name))[0] == 200
    assert (await ended(client, run_id))["outputs"] == ["x", "y", "z"]


async def test_an_effect_override_of_a_question_asks_nothing_else(client):
    """A node of class once that waits has had no effect: nobody has to say whether it happened."""
    run_id = await started_waiting(client, spec(human() | {"effect": "once"}))
    assert (await answer(client, run_id, decision="approve"))[0] == 200
    assert (await ended(client, run_id))["status"] == "succeeded"


FAULTS = [
    ({"mode": "choose"}, "options belong to mode choose, and it needs them"),
    ({"mode": "choose", "options": ["a", "a"]}, "the options must differ from one another"),
    ({"mode": "form"}, "mode form needs a json_schema"),
    ({"mode": "form", "json_schema": {"type": "nothing"}}, "nothing"),
    ({"mode": "edit"}, "mode edit needs a value"),
    ({"value": 1}, "mode approve takes no value and no json_schema; show values in details"),
    ({"on_expiry": {"decision": "reject"}}, "on_expiry needs expires_in_s"),
    ({"expires_in_s": 5, "on_expiry": {"decision": "maybe"}}, "must be one of approve, reject"),
    ({"expires_in_s": 5, "on_expiry": {"decision": "reject", "values": 1}}, "must be left out: reject takes none"),
    (
        {"mode": "form", "json_schema": {"type": "integer"}, "expires_in_s": 5, "on_expiry": {"decision": "submit", "values": "x"}},
        "does not fit json_schema",
    ),
    ({"escalate_after_s": 5}, "escalate_after_s and escalate_to need each other"),
    ({"escalate_after_s": 5, "escalate_to": ["user:a"], "expires_in_s": 5}, "escalate_after_s must be less than expires_in_s"),
    ({"assignees": ["ada"]}, "String should match pattern"),
    ({"expires_in_s": 0}, "greater than 0"),
]


@pytest.mark.parametrize(("config", "message"), FAULTS, ids=[message[:30] for _, message in FAULTS])
async def test_a_config_that_cannot_work_is_refused_at_once(client, config, message):
    """Validation names the node and the fault."""
    result = (await client.post("/workflows/validate", json={"spec": spec(human(**config))})).json()
    assert [error["code"] for error in result["errors"]] == ["INVALID_CONFIG"]
    assert message in result["errors"][0]["message"]


async def test_references_into_an_answer_are_checked(client):
    """The output has the shape that the question asks for."""
    document = spec(
        human(mode="form", json_schema=SCHEMA), text("t", "{{ nodes.ask.values.sum }} {{ nodes.ask.decison }}"), edges=["ask>t"]
    )
    errors = (await client.post("/workflows/validate", json={"spec": document})).json()["errors"]
    assert [error["code"] for error in errors] == ["UNKNOWN_REFERENCE", "UNKNOWN_REFERENCE"]
    document["nodes"][1]["config"]["value"] = "{{ nodes.ask.values.amount + 1 }}"
    assert (await client.post("/workflows/validate", json={"spec": document})).json()["valid"]
