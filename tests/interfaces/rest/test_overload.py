"""Refusing starts when there is too much to do: quickly, with a time to come back, and nothing else than starts."""

import gc

import httpx
import pytest
from starlette.responses import Response

from agentflow.bootstrap.container import Container
from agentflow.config.settings import Settings
from agentflow.interfaces.rest.gate import Gate
from agentflow.runtime.queue.backlog import Backlog
from agentflow.runtime.runs.crowd import BURST_S
from agentflow.runtime.runs.overload import TICK_S, TICKS, Overload, Overloaded, Start
from tests.runtime.support import spec_of, transform

HOLD = {"id": "hold", "type": "delay", "config": {"seconds": 20}}
QUICK = {"spec": spec_of([transform("a", 1)])}


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Give the settings that a test asks for."""
    return settings.model_copy(update=getattr(request, "param", {}))


async def _hold(client: httpx.AsyncClient, count: int) -> list[str]:
    """Start runs that take long; returns their ids."""
    answers = [await client.post("/execute", json={"spec": spec_of([HOLD])}, headers={"Idempotency-Key": f"k{n}"}) for n in range(count)]
    assert [answer.status_code for answer in answers] == [202] * count
    return [answer.json()["id"] for answer in answers]


def _lag(container: Container, seconds: float) -> None:
    container.runs.overload._late.extend([seconds] * TICKS)


TENANT = {"max_concurrent_runs": 1, "max_queued_runs_per_tenant": 2}
ALL = {"max_concurrent_runs": 1, "max_queued_runs": 2}


@pytest.mark.parametrize(("settings", "status", "code"), [(TENANT, 429, "QUEUE_FULL"), (ALL, 503, "OVERLOADED")], indirect=["settings"])
async def test_only_so_many_runs_may_wait(client: httpx.AsyncClient, container: Container, status: int, code: str):
    """Beyond the bound a start is refused with a time to come back; when there is room again it is accepted."""
    held = await _hold(client, 3)
    refused = await client.post("/execute", json=QUICK)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.get("/runs")).json()["items"][0]["id"] == held[-1]
    for run_id in held:
        await client.post(f"/runs/{run_id}/cancel")
    await container.runs.overload._backlog.count()
    assert (await client.post("/execute?wait=20", json=QUICK)).json()["status"] == "succeeded"


@pytest.mark.parametrize("settings", [TENANT], indirect=True)
async def test_a_limit_tells_its_figures(client: httpx.AsyncClient):
    """The headers name the limit, what is left of it, and when to come back."""
    await _hold(client, 3)
    headers = (await client.post("/execute", json=QUICK)).headers
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("2", "0")
    assert headers["ratelimit-reset"] == headers["retry-after"]


@pytest.mark.parametrize("settings", [TENANT], indirect=True)
async def test_a_repeated_start_is_never_refused(client: httpx.AsyncClient, container: Container):
    """Whatever the load, the same key gives the run that was accepted."""
    held = await _hold(client, 3)
    _lag(container, 5.0)
    again = await client.post("/execute", json={"spec": spec_of([HOLD])}, headers={"Idempotency-Key": "k0"})
    assert (again.status_code, again.json()["id"]) == (202, held[0])
    fresh = await client.post("/execute", json={"spec": spec_of([HOLD])}, headers={"Idempotency-Key": "new"})
    assert fresh.status_code in {429, 503}


async def test_a_server_that_is_behind_refuses_starts_and_nothing_else(client: httpx.AsyncClient, container: Container):
    """The longer it is behind the later one shall come back; reading goes on, and starts too as soon as it has caught up."""
    _lag(container, 0.7)
    refused = await client.post("/execute", json=QUICK)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "OVERLOADED", "8")
    assert (await client.get("/runs")).status_code == 200
    assert (await client.post("/workflows/validate", json=QUICK)).status_code == 200
    _lag(container, 0.0)
    assert (await client.post("/execute", json=QUICK)).status_code == 202


async def test_a_refusal_looks_at_nothing(anonymous: httpx.AsyncClient, container: Container):
    """It comes before the caller is known and before the body is read."""
    _lag(container, 5.0)
    refused = await anonymous.post("/api/v1/workflows/anything/execute", content=b"{ not json")
    assert refused.status_code == 503
    assert (await anonymous.get("/api/v1/runs")).status_code == 401


@pytest.mark.parametrize("settings", [{"max_concurrent_starts": 1}], indirect=True)
async def test_a_start_that_waits_for_its_run_makes_room_once_it_is_accepted(client: httpx.AsyncClient, container: Container):
    """With `wait` the request goes on; the start is over."""
    overload = container.runs.overload
    answer = await client.post("/execute?wait=20", json=QUICK)
    assert answer.status_code == 200
    assert overload._under_way == 0
    held = overload.begin()
    assert (await client.post("/execute", json=QUICK)).status_code == 503
    held.end()
    held.end()
    assert (await client.post("/execute", json=QUICK)).status_code == 202


def _overload(settings: Settings) -> Overload:
    backlog: Backlog = Backlog(None)  # type: ignore[arg-type]  # nothing is counted here
    return Overload(settings, backlog, lambda: 0)


def _decide(overload: Overload) -> bool:
    try:
        overload.begin().end()
    except Overloaded:
        return False
    return True


@pytest.mark.parametrize(("lag_s", "share"), [(0.0, 1.0), (0.25, 1.0), (0.375, 0.5), (0.45, 0.2), (0.5, 0.0), (9.0, 0.0)])
def test_the_share_refused_grows_with_the_lag(settings: Settings, lag_s: float, share: float):
    """From half of the bound on some, at the bound everything."""
    overload = _overload(settings.model_copy(update={"max_event_loop_lag_s": 0.5}))
    overload._late.extend([lag_s] * TICKS)
    assert sum(_decide(overload) for _ in range(1000)) == pytest.approx(1000 * share, abs=2)


def test_one_long_step_is_no_overload(settings: Settings):
    """The worst of the last ticks is left out."""
    overload = _overload(settings)
    overload._late.extend([0.0] * (TICKS - 1) + [10.0])
    assert overload.lag_s == 0


def test_runs_that_have_not_begun_count_as_starts(settings: Settings):
    """What is accepted faster than it can be begun is refused."""
    unbegun = [settings.max_concurrent_starts - 1]
    overload = Overload(settings, Backlog(None), lambda: unbegun[0])  # type: ignore[arg-type]  # nothing is counted here
    assert _decide(overload)
    unbegun[0] += 1
    assert not _decide(overload)


def test_starts_are_refused_that_would_take_too_long(settings: Settings):
    """A burst is let in; what goes on coming is refused by how many were done, until the burst is worked off and nobody is refused."""
    overload = _overload(settings)
    burst = [_arrived(overload) for _ in range(1000)]
    assert _decide(overload)
    for _ in range(int(BURST_S / TICK_S) + 1):
        _end(overload, burst, 20)
    assert not _decide(overload)
    while burst:
        _end(overload, burst, 20)
    assert _decide(overload)


def test_requests_that_are_still_being_sent_are_no_work(settings: Settings):
    """Whoever sends slowly, or never to the end, takes nobody's place."""
    overload = _overload(settings)
    slow = [overload.begin() for _ in range(1000)]
    for _ in range(2 * round(BURST_S / TICK_S)):
        _end(overload, [_arrived(overload)], 1)
        assert _decide(overload)
    for start in slow:
        start.end()
    assert overload._under_way == overload._at_work == 0


def test_refusals_leave_nothing_to_collect(settings: Settings):
    """Under load there are thousands a second, and collecting what they leave would stop the server for a tenth of a second."""
    overload = _overload(settings)
    overload._late.extend([9.0] * TICKS)
    gate = Gate(overload)

    def refuse() -> None:
        scope = {"type": "http", "method": "POST", "path": "/api/v1/execute", "headers": [], "client": None, "scheme": "http", "state": {}}
        answer = gate.look(scope)
        assert isinstance(answer, Response)
        assert answer.status_code == 503

    refuse()
    gc.collect()
    for _ in range(100):
        refuse()
    assert gc.collect() < 100


def _arrived(overload: Overload) -> Start:
    """Return a start whose request is complete."""
    start = overload.begin()
    start.arrived()
    return start


def _end(overload: Overload, begun: list[Start], amount: int) -> None:
    """Let a tick pass, in which the oldest starts end."""
    for start in begun[:amount]:
        start.end()
    del begun[:amount]
    overload._tick(TICK_S)
