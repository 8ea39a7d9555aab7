"""Pausing runs through the API."""

from tests.runtime.runs.people import answer, ended, human, spec, started_waiting, until


async def test_a_paused_run_says_so_and_goes_on_when_told(client):
    """What was answered meanwhile counts once the run goes on; why it stands still can be asked."""
    run_id = await started_waiting(client, spec(human()))
    me = (await client.get("/auth/me")).json()["user_id"]
    paused = await client.post(f"/runs/{run_id}/pause")
    assert (paused.status_code, paused.json()["paused_by"]) == (200, me)
    assert (await client.post(f"/runs/{run_id}/pause")).json()["paused_at"] == paused.json()["paused_at"]
    await until(client, run_id, "run.waiting", 2)
    why = (await client.get(f"/runs/{run_id}/explain")).json()["reasons"]
    assert [reason["code"] for reason in why] == ["paused", "human"]
    assert (await answer(client, run_id, decision="approve"))[0] == 200
    await until(client, run_id, "run.waiting", 3)
    resumed = await client.post(f"/runs/{run_id}/resume")
    assert (resumed.status_code, resumed.json()["paused_at"]) == (200, None)
    run = await ended(client, run_id)
    assert (run["status"], run["outputs"]["decision"]) == ("succeeded", "approve")
    again = await client.post(f"/runs/{run_id}/pause")
    assert (again.status_code, again.json()["code"]) == (409, "RUN_ENDED")


async def test_an_unknown_run_is_not_paused(client):
    """A run of nobody, and what is no id at all, are 404."""
    for run_id in ("019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a", "nonsense"):
        for verb in ("pause", "resume"):
            assert (await client.post(f"/runs/{run_id}/{verb}")).status_code == 404
