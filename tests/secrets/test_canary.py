"""S101: a secret that is planted in every place leaves no trace: database, files, logs, events, traces, Redis, answers."""

import base64
import io
import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog

from agentflow.bootstrap.container import open_container
from agentflow.entrypoints.cli.asgi import AsgiTransport
from agentflow.infra.observability.logging import configure_logging
from agentflow.interfaces.rest.app import create_app
from tests.support.http_server import http_server, reply
from tests.support.openai_server import openai_server
from tests.support.otlp_receiver import otlp_receiver

CANARY = 'cäna"ry/+4711-hunter'
PLAIN = "canary-plain-0815-hunter"
LOOKS = [
    CANARY.encode(),
    json.dumps(CANARY)[1:-1].encode(),
    json.dumps(CANARY, ensure_ascii=False)[1:-1].encode(),
    PLAIN.encode(),
    base64.b64encode(f"robot:{PLAIN}".encode())[8:-4],
    PLAIN.encode().hex().encode(),
]


@pytest.fixture
def logged(monkeypatch):
    """Give everything that is logged, down to the details."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    configure_logging("debug", "json")
    yield out
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()


@asynccontextmanager
async def client_of(settings):
    """Give a client of a server, and the server's insides; all is stored and sent when this ends."""
    async with open_container(settings) as container:
        headers = {"X-API-Key": container.owner.key_file.read_text().strip()}
        transport = AsgiTransport(create_app(container))
        async with httpx.AsyncClient(transport=transport, base_url="http://t/api/v1", headers=headers) as client:
            yield client


def spec(server, models):
    """Return a workflow that gets its secrets back from everybody it shows them to: in bodies, headers, errors, streams."""
    basic = {"type": "basic", "username": "robot", "password": "{{ secrets.PLAIN }}"}
    sources = [
        {"id": "basic", "kind": "http", "config": {"base_url": server.url(""), "auth": basic}},
        {
            "id": "query",
            "kind": "http",
            "config": {"base_url": server.url(""), "auth": {"type": "api_key", "value": "{{ secrets.CANARY }}", "in": "query"}},
        },
        {
            "id": "chat",
            "kind": "llm",
            "config": {"provider": "openai_compatible", "base_url": models, "model": "m", "api_key": "{{ secrets.PLAIN }}"},
        },
        {"id": "shop", "kind": "db", "config": {"url": "postgresql://robot:{{ secrets.PLAIN }}@localhost:9/{{ secrets.PLAIN }}"}},
    ]
    return {
        "name": "leaky",
        "nodes": [
            {"id": "echo", "type": "http", "source": "basic", "config": {"url": "/echo"}, "cache": {"ttl_s": 60}},
            {"id": "asked", "type": "http", "source": "query", "config": {"url": "/echo", "response": "text"}},
            {"id": "ask", "type": "llm", "source": "chat", "config": {"prompt": "{{ nodes.echo.body }}"}, "on_error": "told"},
            {"id": "told", "type": "transform", "config": {"value": "{{ nodes.ask.error }}"}},
            {"id": "refused", "type": "http", "source": "query", "config": {"url": "/refuse"}, "on_error": "read",
             "retry": {"max_attempts": 2, "initial_interval_s": 0}},
            {"id": "read", "type": "db", "source": "shop", "config": {"operation": "select", "table": "t"}, "on_error": "end-of-it"},
            {"id": "end-of-it", "type": "transform", "config": {"value": "{{ nodes.read.error }}"}},
        ],
        "edges": [
            {"from": "echo", "to": "asked"}, {"from": "asked", "to": "ask"}, {"from": "ask", "to": "told"}, {"from": "told", "to": "refused"},
            {"from": "refused", "to": "read"}, {"from": "read", "to": "end-of-it"},
        ],
        "outputs": {"echo": "{{ nodes.echo }}", "asked": "{{ nodes.asked }}", "told": "{{ nodes.told }}"},
        "sources": sources,
    }  # fmt: skip


async def echo(call, writer):
    """Answer with everything that came."""
    query = parse_qs(urlsplit(call.target).query)
    said = {"target": call.target, "headers": call.headers, "query": query, "hex": PLAIN.encode().hex(), "text": json.dumps(query)}
    body = json.dumps(said).encode()
    writer.write(reply(200, body, "content-type: application/json", f"x-echo: {call.headers.get('authorization', '-')}"))
    await writer.drain()


async def refuse(call, writer):
    """Refuse, with everything that came."""
    writer.write(reply(503, f"no {call.target} {CANARY}".encode(), "content-type: text/plain"))
    await writer.drain()


async def work(client, server, models):
    """Plant the secrets everywhere and return every answer."""
    server.answers |= {"/echo": echo, "/refuse": refuse, "/": reply(401, PLAIN.encode())}
    answers = [await client.post("/secrets", json={"name": name, "value": value}) for name, value in (("CANARY", CANARY), ("PLAIN", PLAIN))]
    document = spec(server, models)
    answers.append(await client.post("/workflows", json={"spec": document}))
    for source in document["sources"]:
        body = {"name": source["id"], "kind": source["kind"], "config": source["config"]}
        answers.append(await client.post("/sources", json=body))
        answers.append(await client.post(f"/sources/{source['id']}/test"))
    run = await client.post("/workflows/leaky/execute?wait=30", json={})
    assert run.json()["status"] == "succeeded", run.text
    paths = [f"/runs/{run.json()['id']}{rest}" for rest in ("", "/nodes", "/events", "/checkpoints")]
    paths += ["/workflows/leaky/export", "/workflows/leaky", "/sources", "/secrets", "/audit", "/audit/export", "/runs"]
    return [*answers, run, *[await client.get(path) for path in paths]]


def found_in(folder):
    """Return what of the secrets stands in the files of a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.name, look) for path in files for look in LOOKS if look in path.read_bytes()]


async def stored_on_postgres(settings):
    """Return every row of every table, as text."""
    import asyncpg

    connection = await asyncpg.connect(settings.database_url)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [await connection.fetch(f'SELECT t::text AS text FROM "{table[0]}" t') for table in tables]
    await connection.close()
    return "\n".join(row["text"] for found in rows for row in found).encode()


async def test_s101_no_secret_leaves_a_trace(settings, logged):
    """S101, S170: whatever echoes them, the secrets are in no answer, row, file, log line, span or key of Redis."""
    redis_url = os.environ.get("AGENTFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
    with otlp_receiver() as collector:
        changed = {
            "http_allowed_hosts": frozenset({"localhost", "127.0.0.1"}),
            "otlp_endpoint": collector.endpoint,
            "trace_content": True,
            "redis_url": redis_url,
            "checkpoint_tier": "redis",
        }
        async with http_server() as server, openai_server() as models:
            async with client_of(settings.model_copy(update=changed)) as client:
                answers = await work(client, server, models.base_url)
                import redis.asyncio

                async with redis.asyncio.from_url(redis_url) as hot:
                    in_redis = [await hot.dump(key) or b"" for key in await hot.keys("*")]
            assert any(PLAIN in call.headers.get("authorization", "") or base64.b64encode(f"robot:{PLAIN}".encode()).decode() in str(call.headers)
                       for call in server.calls), "the secret was not used at all"  # fmt: skip
        traced = repr(collector.spans).encode()
    database = b"" if settings.database_url is None else await stored_on_postgres(settings)
    places = {"log": logged.getvalue().encode(), "traces": traced, "database": database, "redis": b"".join(in_redis)}
    places |= {f"{answer.request.method} {answer.request.url.path}": answer.content for answer in answers}
    assert [(place, look) for place, text in places.items() for look in LOOKS if look in text] == []
    assert found_in(settings.data_dir) == []


async def test_s35_a_viewer_reads_no_secret_anywhere(settings):
    """S35: lists, exports, differences and histories show names of secrets."""
    async with client_of(settings) as client:
        await client.post("/secrets", json={"name": "PLAIN", "value": PLAIN})
        source = {"id": "a", "kind": "http", "config": {"base_url": "https://example.com", "headers": {"x-key": "{{ secrets.PLAIN }}"}}}
        document = {"name": "w", "nodes": [{"id": "n", "type": "http", "source": "a", "config": {"url": "/"}}], "sources": [source]}
        made = (await client.post("/workflows", json={"spec": document})).json()
        document["sources"][0]["config"]["base_url"] = "https://example.org"
        await client.put(f"/workflows/{made['id']}", json={"spec": document})
        for path in ("/export", "/versions", "/versions/1", "/diff?from=1&to=2", ""):
            answer = await client.get(f"/workflows/{made['id']}{path}")
            assert answer.status_code == 200
            assert PLAIN not in answer.text
