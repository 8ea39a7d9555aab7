"""Sends starts of runs at a fixed rate and counts the answers: so cheap that it leaves the processors to the server.

python -m benchmarks.flood PORT KEY PATH --rate 2500 --seconds 20
"""

import argparse
import asyncio
import json
import re
from collections import Counter

import uvloop

CONNECTIONS = 400
BODY = b'{"inputs": {}}'
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class _Client(asyncio.Protocol):
    """One connection: a request each ``interval`` seconds, or as soon as the answer to the one before has come."""

    def __init__(self, request: bytes, interval: float, until: float, answers: Counter[str]) -> None:
        self._request, self._interval, self._until, self._answers = request, interval, until, answers
        self._due, self._read = 0.0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP it is no other
        self._transport = transport

    def begin(self, at: float) -> None:
        self._due = at
        asyncio.get_running_loop().call_at(at, self._send)

    def _send(self) -> None:
        if self._due >= self._until:
            self._transport.close()
            self.done.set_result(None)
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take an answer, in however many pieces it comes; the next request waits for its end."""
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        self._answers[head[9:12].decode()] += 1
        self._read = b""
        loop = asyncio.get_running_loop()
        self._due = max(self._due + self._interval, loop.time())
        loop.call_at(self._due, self._send)


async def flood(port: int, key: str, path: str, rate: float, seconds: float) -> Counter[str]:
    """Send ``rate`` requests a second and return how many answers had which status."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    loop, answers, interval = asyncio.get_running_loop(), Counter[str](), CONNECTIONS / rate
    begin = loop.time() + 0.5
    clients = []
    for number in range(CONNECTIONS):
        _, client = await loop.create_connection(
            lambda: _Client(head.encode() + BODY, interval, begin + seconds, answers), "127.0.0.1", port
        )
        client.begin(begin + interval * number / CONNECTIONS)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    return answers


def main() -> None:
    """Send as told on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("key")
    parser.add_argument("path")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    told = parser.parse_args()
    print(json.dumps(uvloop.run(flood(told.port, told.key, told.path, told.rate, told.seconds))))


if __name__ == "__main__":
    main()
