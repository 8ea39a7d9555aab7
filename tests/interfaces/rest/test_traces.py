"""One trace from the request to the call of a model, as a collector receives it."""

import sqlite3
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx
import pytest

from agentflow.bootstrap.container import open_container
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.observability import tracing
from agentflow.interfaces.rest.app import create_app
from tests.apps import BASE
from tests.support.http_server import http_server, reply
from tests.support.openai_server import openai_server
from tests.support.otlp_receiver import otlp_receiver

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARY = "xyzzy-canary"


@pytest.fixture
def collector():
    """Give a collector."""
    with otlp_receiver() as running:
        yield running


@asynccontextmanager
async def traced(settings, collector, **changed):
    """Give a client of a server that sends traces; they have all arrived when this ends."""
    changed = {"otlp_endpoint": collector.endpoint, "http_allowed_hosts": frozenset({"localhost", "127.0.0.1"}), **changed}
    async with open_container(settings.model_copy(update=changed)) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        transport = AsgiTransport(create_app(container))
        async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/api/v1", headers=headers) as client:
            yield client


async def run(client, nodes, sources=(), headers=None, **more):
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
    spec = {"name": "traced", "nodes": nodes, "edges": edges, "sources": list(sources), **more}
    answer = await client.post("/execute?wait=20", json={"spec": spec}, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def http_node(url, **config):
    return {"id": "call", "type": "http", "config": {"url": url, **config}}


async def test_one_trace_goes_from_the_request_to_every_call(settings, collector, monkeypatch):
    """Request, admission, run, node, attempt, and the calls of a model, a server and a database are one trace, below the caller's span."""
    monkeypatch.setenv("AGENTFLOW_SECRET_LLM_KEY", CANARY)
    (settings.data_dir / "files").mkdir()
    sqlite3.connect(settings.data_dir / "files" / "shop.db").execute("CREATE TABLE t (id INTEGER)").connection.close()
    async with http_server() as server, openai_server() as models, traced(settings, collector) as client:
        server.answers["/data"] = reply(200, b"{}")
        nodes = [
            http_node(server.url(f"/data?key={CANARY}")),
            {"id": "ask", "type": "llm", "source": "chat", "config": {"prompt": CANARY, "temperature": 0.5}},
            {"id": "read", "type": "db", "source": "shop", "config": {"operation": "select", "table": "t"}},
        ]
        chat = {"provider": "openai_compatible", "base_url": models.base_url, "model": "m1", "api_key": CANARY}
        sources = [
            {"id": "chat", "kind": "llm", "config": chat},
            {"id": "shop", "kind": "db", "config": {"path": "shop.db"}},
        ]
        done = await run(client, nodes, sources, {"traceparent": CALLER, "X-Request-ID": "req-1"})
        assert done["status"] == "succeeded", done["error"]
    above = ["POST /api/v1/execute", "admit traced", "run traced"]
    ways = {" > ".join(collector.path(span)) for span in collector.spans}
    for way in (["http call", "attempt 1", "GET"], ["llm ask", "attempt 1", "chat m1", "POST"], ["db read", "attempt 1", "SELECT t"]):
        assert " > ".join([*above, *way]) in ways, ways
    assert {span.trace_id for span in collector.spans} == {CALLER.split("-")[1]}
    assert collector.one("POST /api/v1/execute").parent_id == CALLER.split("-")[2]
    kinds = {span.name: span.kind for span in collector.spans}
    assert (kinds["POST /api/v1/execute"], kinds["admit traced"], kinds["run traced"], kinds["chat m1"]) == (
        "server",
        "producer",
        "consumer",
        "client",
    )
    ran = collector.one("run traced").attributes
    assert (ran["agentflow.run.id"], ran["agentflow.run.status"], ran["agentflow.request.id"]) == (done["id"], "succeeded", "req-1")
    model = collector.one("chat m1").attributes
    assert model["gen_ai.operation.name"] == "chat"
    assert (model["gen_ai.provider.name"], model["gen_ai.request.model"], model["gen_ai.request.temperature"]) == (
        "openai_compatible",
        "m1",
        0.5,
    )
    assert (model["gen_ai.usage.input_tokens"], model["gen_ai.usage.output_tokens"]) == (11, 6)
    call = collector.one("GET").attributes
    assert (call["http.request.method"], call["server.address"], call["http.response.status_code"]) == ("GET", "localhost", 200)
    assert collector.one("SELECT t").attributes["db.system.name"] == "sqlite"
    assert not any(CANARY.encode() in body for body in collector.bodies)


async def test_a_trace_is_handed_on_to_named_hosts_only(settings, collector):
    """A host that an operator allows continues the trace; what the node sets itself stays."""
    async with http_server() as server, traced(settings, collector) as client:
        server.answers["/"] = reply(200, b"{}")
        await run(client, [http_node(server.url("/"))], headers={"traceparent": CALLER})
        await run(client, [http_node(server.url("/"), headers={"traceparent": CALLER})])
        first, second = server.calls
    calls = {span.span_id: span.trace_id for span in collector.named("GET")}
    trace_id, span_id = tracing.ids(first.headers["traceparent"])
    assert calls[span_id] == trace_id == CALLER.split("-")[1]
    assert second.headers["traceparent"] == CALLER


async def test_a_child_run_is_below_the_node_that_started_it(settings, collector):
    """A subworkflow is part of its parent's trace."""
    async with traced(settings, collector) as client:
        child = {"name": "child", "nodes": [{"id": "a", "type": "transform", "config": {"value": 1}}], "edges": []}
        await client.post("/workflows", json={"spec": child})
        await run(client, [{"id": "sub", "type": "subworkflow", "config": {"workflow": "child"}}])
    way = collector.path(collector.one("transform a"))
    assert way == [
        "POST /api/v1/execute",
        "admit traced",
        "run traced",
        "subworkflow sub",
        "attempt 1",
        "admit child",
        "run child",
        "transform a",
    ]


async def test_a_failure_is_named_by_its_code_and_tells_no_more(settings, collector):
    """Each attempt is a span; status and error.type hold codes, never messages."""
    async with http_server() as server, traced(settings, collector) as client:
        server.answers["/x"] = reply(503, CANARY.encode())
        node = {**http_node(server.url("/x")), "retry": {"max_attempts": 2, "initial_interval_s": 0.01}}
        assert (await run(client, [node]))["status"] == "failed"
    assert [collector.one(f"attempt {n}").failed for n in (1, 2)] == ["HTTP_STATUS", "HTTP_STATUS"]
    assert collector.one("http call").failed == "HTTP_STATUS"
    assert collector.one("run traced").attributes["error.type"] == "HTTP_STATUS"
    assert [span.failed for span in collector.named("GET")] == ["503", "503"]
    assert not any(CANARY.encode() in body for body in collector.bodies)


async def test_content_is_shown_where_the_operator_says_so(settings, collector):
    """Prompts and answers are attributes by OpenTelemetry's names."""
    async with openai_server() as models, traced(settings, collector, trace_content=True) as client:
        chat = {"id": "chat", "kind": "llm", "config": {"provider": "openai_compatible", "base_url": models.base_url, "model": "m1"}}
        await run(client, [{"id": "ask", "type": "llm", "source": "chat", "config": {"prompt": "How deep?"}}], [chat])
    model = collector.one("chat m1").attributes
    assert "How deep?" in model["gen_ai.input.messages"]
    assert "Hello, world" in model["gen_ai.output.messages"]


async def test_a_caller_that_does_not_sample_is_obeyed(settings, collector):
    """The flag of traceparent decides for the whole trace."""
    async with traced(settings, collector) as client:
        await run(client, [{"id": "a", "type": "transform", "config": {"value": 1}}], headers={"traceparent": CALLER[:-1] + "0"})
    assert collector.spans == []


async def test_nothing_is_traced_unless_asked_for(client, monkeypatch):
    """Without an address no span exists, and OpenTelemetry is not even loaded for it."""
    assert not tracing.is_on()
    assert tracing.span("x") is tracing.NO_SPAN
    done = await run(client, [{"id": "a", "type": "transform", "config": {"value": 1}}])
    assert done["status"] == "succeeded"


async def test_a_collector_that_is_gone_harms_nothing(settings):
    """Runs go on while spans cannot be delivered."""
    gone = type("Gone", (), {"endpoint": "http://127.0.0.1:9"})
    async with traced(settings, gone) as client:
        assert (await run(client, [{"id": "a", "type": "transform", "config": {"value": 1}}]))["status"] == "succeeded"
