"""Short messages between the processes on one PostgreSQL database, by NOTIFY on a connection of their own.

They are news, not truth: a message may be lost while the connection is broken, and whoever needs to know looks into the database now and
then. Messages that are sent close together share a notification.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import orjson
import structlog
from sqlalchemy.engine.url import URL

from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

Item = list[Any]
"""One message: a JSON list, its first element says what it is."""

MAX_BYTES = 7_900
"""Most bytes in a notification (PostgreSQL's limit is 8,000)."""

_CHANNEL = "agentflow"
_PENDING = 10_000
_AGAIN_S = 0.5
_GATHER_S = 0.002


class News:
    """The ear and the voice of one process.

    Args:
        url: the database.
        on_item: called on the event loop for each message of another process.
    """

    def __init__(self, url: URL, on_item: Callable[[Item], None]) -> None:
        self._dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._on_item = on_item
        self._items: dict[bytes, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        """Set while others can be heard."""

    def start(self) -> None:
        """Begin to listen and to send."""
        self._task = asyncio.create_task(self._run(), name="news")

    async def stop(self) -> None:
        """Close the connection."""
        await ended(self._task)

    def send(self, item: Item) -> None:
        """Tell the other processes; never waits. The same message twice before it is sent is one."""
        if len(self._items) < _PENDING:
            self._items[orjson.dumps(item)] = None
            self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._connected()
            except Exception as error:  # noqa: BLE001 - a connection cut in the wrong moment shows as any error, and news must go on whatever it was
                log.warning("news from other processes are interrupted", error=str(error) or type(error).__name__)
            await asyncio.sleep(_AGAIN_S)

    async def _connected(self) -> None:
        # A notification needs no fsync: nothing is lost with it that the tables do not hold.
        connection = await asyncpg.connect(self._dsn, timeout=5, server_settings={"synchronous_commit": "off"})
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(_CHANNEL, self._heard)
            self.connected.set()
            while not connection.is_closed():
                await self._wake.wait()
                await asyncio.sleep(_GATHER_S)
                self._wake.clear()
                for payload in self._payloads():
                    await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, payload, timeout=5)
        finally:
            self.connected.clear()
            connection.terminate()

    def _payloads(self) -> list[str]:
        items, self._items = self._items, {}
        payloads, part, size = [], list[bytes](), 2
        for item in items:
            if part and size + len(item) + 1 > MAX_BYTES:
                payloads.append(part)
                part, size = [], 2
            if len(item) + 2 <= MAX_BYTES:
                part.append(item)
                size += len(item) + 1
        return [f"[{b','.join(part).decode()}]" for part in (*payloads, part) if part]

    def _heard(self, connection: Any, pid: int, _channel: str, payload: str) -> None:
        if pid != connection.get_server_pid():
            for item in orjson.loads(payload):
                self._on_item(item)
