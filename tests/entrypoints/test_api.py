"""The server process, from the socket: what a connection survives, and how the process ends."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.servers import Server, announced, server

__all__ = ["server"]

SLOW = {"name": "slow", "start_node": "wait", "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 25}}]}
TEN_MEGABYTES = 10_000_000


@pytest.fixture
def key(server):
    """Give the owner's key."""
    return (server.data_dir / "owner.key").read_text().strip()


@pytest.fixture
def connection(server):
    """Give one connection that stays open between requests."""
    opened = http.client.HTTPConnection(server.netloc, timeout=30)
    yield opened
    opened.close()


def ask(connection, method, path, body=None, headers=None, **options):
    """Send a request and return status and body; fails when the connection was cut."""
    connection.request(method, path, body=body, headers=headers or {}, **options)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_a_connection_survives_bodies_that_are_too_large(connection, key):
    """S87: fifty megabytes are answered by 413, told or in chunks, and the same connection serves the next request."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    sock_before = None
    for body, encode in ((b"x" * 5 * TEN_MEGABYTES, False), ((b"x" * 1_000_000 for _ in range(50)), True)):
        status, answer = ask(connection, "POST", "/api/v1/execute", body, headers, encode_chunked=encode)
        assert (status, json.loads(answer)["code"]) == (413, "TOO_LARGE")
        assert ask(connection, "GET", "/health/live")[0] == 200
        assert sock_before in (None, connection.sock)
        sock_before = connection.sock


@pytest.mark.parametrize("body", [b"[" * 900 + b"]" * 900, b'{"spec": NaN}', b'{"spec":"\\ud800"}', b"\xff" * 1_000, b'{"spec":"\\u0000"}'])
def test_a_connection_survives_bodies_that_are_no_json(connection, key, body):
    """Each is answered by 400 on a connection that goes on."""
    status, answer = ask(connection, "POST", "/api/v1/execute", body, {"X-API-Key": key, "Content-Type": "application/json"})
    assert (status, json.loads(answer)["code"]) == (400, "MALFORMED")
    assert ask(connection, "GET", "/health/live")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
        b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
    ],
)
def test_a_client_that_speaks_nonsense_harms_nobody(server, sent):
    """S86: whatever a socket sends, and also when it leaves in the middle, the next client is served."""
    host, port = server.netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(sent)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(65_536)
    assert answer == b"" or int(answer.split(b" ")[1]) in {400, 401, 404, 413, 414, 431}
    assert httpx.get(f"http://{server.netloc}/health/live").status_code == 200


async def test_a_reader_that_vanishes_ends_only_its_own_stream(server, key):
    """The run goes on, and another reader sees its end."""
    async with httpx.AsyncClient(base_url=f"http://{server.netloc}/api/v1", headers={"X-API-Key": key}, timeout=30) as client:
        run = (await client.post("/execute", json={"spec": SLOW})).json()["id"]
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*server.netloc.split(":"))
            request = f"GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nAccept: text/event-stream\r\n\r\n"
            writer.write(request.encode())
            await reader.readuntil(b"node.started")
            writer.transport.abort()
        assert (await client.get(f"/runs/{run}")).json()["status"] == "running"
        await client.post(f"/runs/{run}/cancel")
        stream = await client.get(f"/runs/{run}/events", headers={"Accept": "text/event-stream"})
        assert "event: run.cancelled" in stream.text


@pytest.fixture
def started(tmp_path):
    """Start servers of the test's own on one data folder, and end what is left of them."""
    processes = []

    def start(*arguments):
        log = tmp_path / f"{len(processes)}.log"
        command = [Path(sys.executable).with_name("agentflow"), "serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment | {"AGENTFLOW_SHUTDOWN_GRACE_S": "0.2"})
        processes.append(process)
        return process, log

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_server_told_to_stop_gives_its_runs_back(started, tmp_path):
    """SIGTERM ends open streams and the process at once with exit code 0; the next start takes the run up again."""
    process, log = started()
    server = Server(announced(process, log), tmp_path / "data")
    headers = {"X-API-Key": (server.data_dir / "owner.key").read_text().strip()}
    run = httpx.post(f"http://{server.netloc}/api/v1/execute", json={"spec": SLOW}, headers=headers).json()["id"]
    events = f"http://{server.netloc}/api/v1/runs/{run}/events"
    with httpx.stream("GET", events, headers=headers | {"Accept": "text/event-stream"}, timeout=30) as stream:
        lines = stream.iter_lines()
        assert any(line == "event: node.started" for line in lines)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert all("run." not in line for line in lines)
    assert process.wait(10) == 0, log.read_text()
    assert time.monotonic() - begin < 5, "it waits for nothing"
    process, log = started()
    server = Server(announced(process, log), tmp_path / "data")
    with httpx.stream(
        "GET", f"http://{server.netloc}/api/v1/runs/{run}/events", headers=headers | {"Accept": "text/event-stream"}, timeout=30
    ) as stream:
        assert any(line == "event: run.resumed" for line in stream.iter_lines())


def test_a_port_that_is_taken_is_named(started, server):
    """The process ends with one sentence, not with a stack trace."""
    port = server.netloc.split(":")[1]
    process, log = started("--port", port)
    assert process.wait(30) != 0
    assert f":{port} cannot be listened on" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_listening_beyond_this_machine_is_refused(started):
    """Nobody has a password yet: the refusal names the way out."""
    process, log = started("--host", "0.0.0.0")
    assert process.wait(30) != 0
    assert "loopback" in log.read_text()
    assert "Traceback" not in log.read_text()
