"""A small HTTP/1.1 client on one kept connection: so cheap that the server is what is measured."""

import asyncio
from typing import Any

import orjson


class Connection:
    """One connection; one request at a time.

    Args:
        port: of the server on this machine.
        key: an API key; empty for none.
        more: further headers, each with its end of line.
    """

    def __init__(self, port: int, key: str, more: str = "") -> None:
        self._port = port
        credential = f"X-API-Key: {key}\r\n" if key else ""
        self._head = f"Host: 127.0.0.1\r\n{credential}{more}Content-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and return status and body."""
        reader, _ = await self.send(method, path, body)
        status, headers = await self.head(reader)
        return status, await reader.readexactly(int(headers.get("content-length", 0)))

    async def json(self, method: str, path: str, value: Any = None) -> Any:
        """Send a request with a JSON body and return the JSON of the answer, which must be a success."""
        status, body = await self.request(method, path, b"" if value is None else orjson.dumps(value))
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {body[:500].decode()}")
        return orjson.loads(body)

    async def send(
        self, method: str, path: str, body: bytes = b"", accept: str = "*/*"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request; the answer is the caller's to read."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return reader, writer

    async def head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        """Read status and headers of an answer."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        return int(lines[0].split()[1]), {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
