"""The list of what runs wait for, and what can be done with its items besides answering."""

from datetime import UTC, datetime, timedelta

from tests.runtime.runs.people import answer, ended, event, events, human, spec, started_waiting, until


async def inbox(client, **query):
    return (await client.get("/interrupts", params=query)).json()["items"]


async def test_the_inbox_holds_what_waits(client):
    """Newest first, by state, kind and workflow; paged, counted and cut as other lists are."""
    ids = [await started_waiting(client, {**spec(human(title=f"Question {number}")), "name": f"w{number % 2}"}) for number in range(4)]
    await started_waiting(client, spec(event()))
    await answer(client, ids[0], decision="approve")
    await ended(client, ids[0])
    items = await inbox(client, status="open", kind="human")
    assert [item["run_id"] for item in items] == [ids[3], ids[2], ids[1]]
    assert [item["request"]["title"] for item in items] == ["Question 3", "Question 2", "Question 1"]
    assert [item["run_id"] for item in await inbox(client, workflow="w0", status=["open", "answered"])] == [ids[2], ids[0]]
    query = {"limit": 2, "kind": "human", "sort": "created_at:asc", "count": True, "fields": "run_id"}
    first = (await client.get("/interrupts", params=query)).json()
    second = (await client.get("/interrupts", params=query | {"cursor": first["next_cursor"]})).json()
    assert (first["total"], second["next_cursor"]) == (4, None)
    assert [item for page in (first, second) for item in page["items"]] == [{"run_id": id_} for id_ in ids]
    assert (await client.get("/interrupts", params=query | {"page": 2})).json()["items"] == second["items"]
    other = await client.get("/interrupts", params={"cursor": (await client.get("/runs?limit=1")).json()["next_cursor"]})
    assert (other.status_code, other.json()["code"]) == (400, "MALFORMED")


async def test_only_runs_that_have_not_ended_are_in_the_inbox(client):
    """A cancelled run asks nobody any more."""
    run_id = await started_waiting(client, spec(human()))
    await client.post(f"/runs/{run_id}/cancel")
    assert await inbox(client, status="open") == []


async def test_the_inbox_is_filtered_by_whom_it_asks(client):
    """Mine is what is addressed to me or to nobody in particular; a name is found as a whole."""
    for assignees in ([], ["user:owner"], ["role:boss"], ["role:bosses", "user:ada"]):
        await started_waiting(client, spec(human(assignees=assignees)))

    async def asked(who):
        return [item["assignees"] for item in await inbox(client, assignee=who)]

    assert await asked("me") == [["user:owner"], []]
    assert await asked("role:boss") == [["role:boss"]]
    assert await asked("user:ada") == [["role:bosses", "user:ada"]]


async def test_a_question_is_read_by_its_id(client):
    """With its answer; another id is 404."""
    run_id = await started_waiting(client, spec(human(details={"amount": 120})))
    (asked,) = await inbox(client)
    assert asked["request"] == {"mode": "approve", "title": "Pay 120 EUR?", "choices": ["approve", "reject"], "details": {"amount": 120}}
    assert (await client.get(f"/interrupts/{asked['id']}")).json() == asked
    assert (await answer(client, run_id, interrupt_id=asked["id"], decision="reject", comment="No."))[0] == 200
    await ended(client, run_id)
    now = (await client.get(f"/interrupts/{asked['id']}")).json()
    assert (now["status"], now["decision"], now["comment"]) == ("answered", "reject", "No.")
    for missing in (run_id, "nothing"):
        assert (await client.get(f"/interrupts/{missing}")).json()["code"] == "INTERRUPT_NOT_FOUND"
    assert (await client.get(f"/runs/{asked['id']}/interrupts")).json()["code"] == "RUN_NOT_FOUND"


async def test_a_question_is_discussed(client):
    """Comments stay in order, also once it was answered; an empty one is refused."""
    run_id = await started_waiting(client, spec(human()))
    (asked,) = await inbox(client)
    path = f"/interrupts/{asked['id']}/comments"
    me = (await client.get("/auth/me")).json()["user_id"]
    said = (await client.post(path, json={"text": "Is this right?"})).json()
    await answer(client, run_id, decision="approve")
    await client.post(path, json={"text": "It was."})
    items = (await client.get(path)).json()["items"]
    assert [(item["author"], item["text"]) for item in items] == [(me, "Is this right?"), (me, "It was.")]
    assert items[0] == said
    assert (await client.post(path, json={"text": ""})).status_code == 422
    assert (await client.post(f"/interrupts/{run_id}/comments", json={"text": "x"})).status_code == 404


async def test_a_question_is_handed_on(client, as_clerk):
    """Whom it is addressed to may hand it on, and not answer it any more then; the run's events tell."""
    as_clerk()
    me = (await client.get("/auth/me")).json()["user_id"]
    run_id = await started_waiting(client, spec(human(assignees=["user:owner"])))
    (asked,) = await inbox(client, assignee="me")
    changed = (await client.patch(f"/interrupts/{asked['id']}", json={"assignees": ["user:ada"]})).json()
    assert changed["assignees"] == ["user:ada"]
    told = (await until(client, run_id, "interrupt.reassigned"))["data"]
    assert (told["by"], told["assignees"]) == (me, ["user:ada"])
    await until(client, run_id, "run.waiting", 2)
    assert (await answer(client, run_id, decision="approve"))[0] == 403
    assert (await client.patch(f"/interrupts/{asked['id']}", json={"assignees": []})).json()["code"] == "NOT_ASSIGNED"


async def test_a_question_gets_more_time_or_less(client):
    """Sooner than it was it expires sooner; never is never."""
    run_id = await started_waiting(client, spec(human(expires_in_s=3_600)))
    (asked,) = await inbox(client)
    assert (await client.patch(f"/interrupts/{asked['id']}", json={"expires_at": None})).json()["expires_at"] is None
    for wrong in ("2020-01-01T00:00:00Z", "2990-01-01T00:00:00Z", "soon"):
        assert (await client.patch(f"/interrupts/{asked['id']}", json={"expires_at": wrong})).status_code == 422
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await client.patch(f"/interrupts/{asked['id']}", json={"expires_at": soon.isoformat()})
    run = await ended(client, run_id)
    assert run["error"]["code"] == "HUMAN_EXPIRED"
    assert len(await events(client, run_id, "interrupt.reassigned")) == 2
    late = await client.patch(f"/interrupts/{asked['id']}", json={"expires_at": None})
    assert late.status_code == 410


async def test_an_answered_question_is_not_handed_on(client):
    """It is 409; a change that changes nothing is no change."""
    run_id = await started_waiting(client, spec(human()))
    (asked,) = await inbox(client)
    assert (await client.patch(f"/interrupts/{asked['id']}", json={})).json() == asked
    await answer(client, run_id, decision="approve")
    answered = await client.patch(f"/interrupts/{asked['id']}", json={"assignees": []})
    assert (answered.status_code, answered.json()["code"]) == (409, "ALREADY_ANSWERED")
    assert (await client.patch(f"/interrupts/{run_id}", json={"assignees": []})).status_code == 404
