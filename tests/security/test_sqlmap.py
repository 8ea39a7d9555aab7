"""sqlmap against every query parameter, on PostgreSQL; ``AGENTFLOW_SQLMAP=all`` for level 3 and risk 2, as in the catalogue."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from scripts.server_process import ServerProcess
from tests.databases import new_postgres

ALL = os.environ.get("AGENTFLOW_SQLMAP") == "all"
EFFORT = ["--level", "3", "--risk", "2"] if ALL else ["--level", "1", "--risk", "1"]
FREE_TEXT = frozenset({"q", "tag", "actor", "action", "owner", "assignee", "resource_id", "token"})
"""Parameters that reach the database as whatever text they are: those that are tried each time."""
HEADERS = (
    "User-Agent",
    "Referer",
    "X-Request-Id",
    "If-None-Match",
    "Idempotency-Key",
    "Accept",
    "Accept-Language",
    "Last-Event-ID",
    "Cookie",
)
AT_A_TIME = 2
QUIET = "--batch --ignore-code * --flush-session --disable-coloring --threads 2"
SAFE, FOUND = "all tested parameters do not appear to be injectable", "identified the following injection point"
SPEC = {"name": "mine", "nodes": [{"id": "a", "type": "input"}], "edges": []}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server on PostgreSQL that refuses nobody for asking often."""
    limits = {f"rate_limit_{name}": "0" for name in ("user", "key", "tenant", "address", "strangers", "sign_in", "misses")}
    with new_postgres() as url:
        server = ServerProcess(tmp_path_factory.mktemp("sqlmap") / "data", url, limits)
        server.start()
        yield server
        server.kill()


def attacked(folder: Path, url: str, key: str, *more: str, database: str = "PostgreSQL") -> str:
    """Let sqlmap try a URL, and return what it printed."""
    command = [Path(sys.executable).with_name("sqlmap"), "-u", url, "-H", f"X-API-Key: {key}", *EFFORT, *more]
    return subprocess.run(
        [*command, "--dbms", database, "--output-dir", str(folder), *QUIET.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    ).stdout


def value_of(schema: dict[str, Any]) -> str:
    """Return a value that a parameter takes, so that what is tried is tried behind the gate."""
    schema = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    if "enum" in schema:
        return str(schema["enum"][0])
    known = {"boolean": "true", "integer": "1", "array": "x"}
    return "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else known.get(schema.get("type", ""), "x")


def things(client: httpx.Client) -> dict[str, str]:
    """Make one of everything that a path names, and return what to write for each name."""
    workflow = client.post("/workflows", json={"name": "mine", "spec": SPEC}).json()["id"]
    run = client.post(f"/workflows/{workflow}/execute?wait=20").json()["id"]
    client.post("/collections", json={"name": "papers", "embedding_model": "hashing-384"}).raise_for_status()
    client.post("/secrets", json={"name": "TOKEN", "value": "a-secret-value"}).raise_for_status()
    client.post("/variables", json={"name": "PLACE", "value": "here"}).raise_for_status()
    client.post("/sources", json={"name": "chat", "kind": "llm", "config": {"provider": "local"}}).raise_for_status()
    artifact = client.post("/artifacts", files={"file": ("a.txt", b"text", "text/plain")}).json()["id"]
    record = client.get("/audit?limit=1").json()["items"][0]["id"]
    tenant = client.get("/auth/me").json()["tenant_id"]
    return {
        "workflow": workflow,
        "workflow_id": workflow,
        "run_id": run,
        "collection": "papers",
        "artifact_id": artifact,
        "secret": "TOKEN",
        "variable": "PLACE",
        "source": "chat",
        "record": record,
        "tenant": tenant,
    }


def targets(client: httpx.Client, base: str) -> list[tuple[str, str]]:
    """Return a URL and the name of the parameter in it, for every parameter that is to be tried."""
    known, found = things(client), []
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for parameter in item.get("get", {}).get("parameters", ()):
            name = parameter["name"]
            if parameter["in"] == "query" and (ALL or name in FREE_TEXT):
                place = base + path.removeprefix("/api/v1").format_map(known)
                found.append((f"{place}?{urlencode({name: value_of(parameter['schema'])})}", name))
    return found


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_s53_sqlmap_finds_no_way_in(server: ServerProcess, tmp_path: Path) -> None:
    """S53: no parameter of any resource and no header leads to the database."""
    base, key = f"{server.url}/api/v1", server.key
    with httpx.Client(base_url=base, headers={"X-API-Key": key}, timeout=30) as client:
        tried = targets(client, base)
    attacks = [(url, ("-p", name)) for url, name in tried]
    attacks += [(f"{base}/workflows", ("-H", f"{name}: 1*")) for name in (HEADERS if ALL else HEADERS[:1])]

    def attack(number: int) -> str:
        url, how = attacks[number]
        return attacked(tmp_path / str(number), url, key, *how)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        answers = dict(zip(attacks, pool.map(attack, range(len(attacks))), strict=True))
    assert len(answers) > 8
    assert {attack: printed for attack, printed in answers.items() if SAFE not in printed or FOUND in printed} == {}
    assert server.lives


class Careless(BaseHTTPRequestHandler):
    """Puts a parameter into SQL as it is."""

    def do_GET(self) -> None:
        wanted = parse_qs(urlsplit(self.path).query).get("q", [""])[0]
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE things (name TEXT)")
            database.execute("INSERT INTO things VALUES ('x')")
            try:
                body = repr(database.execute(f"SELECT name FROM things WHERE name = '{wanted}'").fetchall()).encode()
            except sqlite3.Error as error:
                body = str(error).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.mark.slow
def test_sqlmap_finds_a_way_in_where_there_is_one(tmp_path: Path) -> None:
    """The test above is able to fail."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as careless:
        Thread(target=careless.serve_forever, daemon=True).start()
        printed = attacked(tmp_path, f"http://127.0.0.1:{careless.server_port}/?q=x", "key", "-p", "q", database="SQLite")
        careless.shutdown()
    assert FOUND in printed
    assert SAFE not in printed
