"""F27, F28: model servers that misbehave in every way, seen by whoever runs a workflow."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE
from tests.support.openai_server import NAMED, STATUSES, STREAMS, OpenAIServer, openai_server

GOOD = frozenset(
    {
        "ok",
        "crlf",
        "comments",
        "no_done",
        "double_done",
        "no_usage",
        "empty_choices",
        "null_fields",
        "huge_chunk",
        "tools",
        "bytes",
        "no_stream",
    }
)
"""Odd, but lawful: these give an answer."""
SLOW = ("silent", "stall", "drip")
BAD = sorted((STREAMS.keys() | STATUSES.keys() | {"cut", "reset"}) - GOOD)
SHOWN = frozenset({"cut", "cut_json", "garbage", "never_finished", "negative_usage", "error_in_stream"})
"""These show text before they fail: a reader must not see a second beginning."""
FINAL = frozenset({"400", "401", "403", "404", "quota", "redirect"})
"""To ask again would change nothing."""
CODES = frozenset(
    {
        "MODEL_UNAVAILABLE",
        "MODEL_AUTH",
        "MODEL_RATE_LIMITED",
        "MODEL_TIMEOUT",
        "MODEL_REJECTED",
        "MODEL_PROTOCOL",
        "MODEL_OUTPUT_INVALID",
    }
)
TRIES = 3


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as running:
        running.mode = NAMED
        yield running


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a server that may ask models on this machine, and has retries for all of these tests."""
    allowed = settings.model_copy(update={"http_allowed_hosts": frozenset({"127.0.0.1"}), "retry_budget_reserve": 1_000})
    async with open_container(allowed) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        async with httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers) as client:
            yield client


def spec(model: OpenAIServer, mode: str, *, retry: Mapping[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """Return a workflow that asks the model once, with a policy."""
    tools = {"tools": [{"name": "get_weather"}]} if mode.startswith("tools") else {}
    node = {"id": "ask", "type": "llm", "source": "chat", "config": {"prompt": "Hi", **tools, **config}}
    node["retry"] = {"max_attempts": TRIES, "initial_interval_s": 0.01, "max_interval_s": 0.05, **(retry or {})}
    source = {"provider": "openai_compatible", "base_url": model.base_url, "model": mode}
    prices = {"input_usd_per_million": "1", "output_usd_per_million": "1"}
    sources = [{"id": "chat", "kind": "llm", "config": {**source, **prices}}]
    return {"name": f"ask-{mode}", "start_node": "ask", "nodes": [node], "sources": sources}


async def ask(client: httpx.AsyncClient, model: OpenAIServer, mode: str, **options: Any) -> dict[str, Any]:
    """Run the workflow to its end and return the run."""
    answer = await client.post("/execute?wait=30", json={"spec": spec(model, mode, **options)})
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run


async def test_every_fault_of_a_model_server_ends_the_run_with_a_typed_error(client: httpx.AsyncClient, model: OpenAIServer):
    """Asked again only before the first word, a bounded number of times; the run says what was wrong and what to do."""
    runs = dict(zip(BAD, await asyncio.gather(*(ask(client, model, mode) for mode in BAD)), strict=True))
    asked = Counter(request.body["model"] for request in model.requests)
    assert len(BAD) >= 35
    for mode, run in runs.items():
        assert run["status"] == "failed", mode
        assert run["error"]["code"] in CODES, (mode, run["error"])
        assert run["error"]["hint"], mode
        assert asked[mode] == (1 if mode in SHOWN | FINAL else TRIES), mode


async def test_odd_answers_are_answers_and_are_paid_once(client: httpx.AsyncClient, model: OpenAIServer):
    """Whatever lawful shape the answer has, it is asked for once, and its tokens are counted once."""
    modes = sorted(GOOD)
    runs = dict(zip(modes, await asyncio.gather(*(ask(client, model, mode) for mode in modes)), strict=True))
    assert {mode: run["error"] for mode, run in runs.items() if run["status"] != "succeeded"} == {}
    assert set(Counter(request.body["model"] for request in model.requests).values()) == {1}
    reported = [run["usage"] for mode, run in runs.items() if mode not in {"no_usage", "huge_chunk"}]
    assert {(usage["input_tokens"], usage["output_tokens"]) for usage in reported} == {(11, 6)}


async def test_slow_servers_cost_their_time_and_nothing_else(client: httpx.AsyncClient, model: OpenAIServer):
    """Silence, a stall and single bytes end at the limit of the call; while all of them wait the process is idle."""
    began, modes = time.monotonic(), SLOW * 3
    asking = [asyncio.create_task(ask(client, model, mode, timeout_s=3.0, retry={"max_attempts": 1})) for mode in modes]
    async with asyncio.timeout(10), model.asked:
        await model.asked.wait_for(lambda: len(model.requests) == len(modes))
    waiting, busy = time.monotonic(), time.process_time()
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    waited_s, busy_s = time.monotonic() - waiting, time.process_time() - busy
    runs = await asyncio.gather(*asking)
    assert {run["error"]["code"] for run in runs} == {"MODEL_TIMEOUT"}
    assert time.monotonic() - began < 10
    assert busy_s < 0.5 * waited_s


async def test_retry_after_is_obeyed_up_to_the_policys_longest_wait(client: httpx.AsyncClient, model: OpenAIServer):
    """A server that wants to be left alone for a day is asked again after the longest interval of the policy, not at once and not tomorrow."""
    begin = time.monotonic()
    run = await ask(client, model, "429_long", retry={"max_attempts": 3, "max_interval_s": 0.3, "jitter": 0})
    assert run["error"]["code"] == "MODEL_RATE_LIMITED"
    assert 0.6 <= time.monotonic() - begin < 5
    events = (await client.get(f"/runs/{run['id']}/events")).json()["items"]
    assert [event["data"]["wait_s"] for event in events if event["type"] == "node.retrying"] == [0.3, 0.3]


async def test_when_every_model_is_down_retries_make_no_storm(settings: Settings, model: OpenAIServer):
    """A hundred runs that may each try five times ask 1.2 times a hundred times, and the reserve; each ends by its policy."""
    reserve = 5
    changes = {"http_allowed_hosts": frozenset({"127.0.0.1"}), "retry_budget_reserve": reserve}
    async with open_container(settings.model_copy(update=changes)) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        async with httpx.AsyncClient(transport=AsgiTransport(create_app(container)), base_url=f"{BASE}/api/v1", headers=headers) as client:
            many = {"max_attempts": 5}
            runs = await asyncio.gather(*(ask(client, model, ("503", "529")[n % 2], retry=many) for n in range(100)))
    assert {(run["status"], run["error"]["code"]) for run in runs} == {("failed", "MODEL_UNAVAILABLE")}
    assert 100 < len(model.requests) <= 1.2 * 100 + reserve
