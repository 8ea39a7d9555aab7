"""A way to a server that a test can block or cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TcpProxy:
    """Hands bytes on both ways, until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.cut_after: int | None = None
        """Bytes after which the connection that carries the next ones is reset, again and again."""
        self.cuts = 0
        self._carried = 0
        self._target = host, port
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    def stall(self) -> None:
        """Hand nothing on, and close nothing: what a dead network looks like."""
        self._open.clear()

    def resume(self) -> None:
        """Hand on again, what waited first."""
        self._open.set()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            above, below = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, below}
        try:
            both = writer, below
            await asyncio.gather(self._hand_on(reader, below, both), self._hand_on(above, writer, both))
        finally:
            self._writers -= {writer, below}

    async def _hand_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, both: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._open.wait()
                self._carried += len(data)
                if self.cut_after is not None and self._carried >= self.cut_after:
                    self._carried = 0
                    self.cuts += 1
                    both[0].transport.abort()
                    both[1].transport.abort()
                    return
                target.write(data)
                await target.drain()
        target.close()


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """Run a proxy to a server on a free port of the loopback address."""
    proxy = TcpProxy(host, port)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.resume()
        proxy.cut()
        listener.close()
