"""HTTP on the wire: uvicorn's protocol, which takes in only heads of so many bytes and waits only so long for what was begun."""

import asyncio
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from agentflow.config.settings import Settings
from agentflow.endpoints.answers import encode
from agentflow.interfaces.rest.gate import Gate, arrived
from agentflow.kit.ids import new_id
from agentflow.runtime.runs.overload import Start

PROGRESS_BYTES = 65_536
"""What has to come of a body in the time that its head may take."""
LINGER_S = 1.0
"""Seconds for which what is still sent on a refused connection is passed over."""
_DETAILS = {
    400: "This is not HTTP as RFC 9112 has it.",
    408: "The request did not come in time.",
    429: "Too many connections are open from this address.",
    431: "The head of the request is too large.",
}


class GuardedProtocol(HttpToolsProtocol):
    """One connection, with the bounds that uvicorn leaves to a proxy.

    A head is counted until it is complete; a request that is not complete has a clock, which begins anew when enough of its body came.
    Whoever is too slow is told so and cut off, as is whoever sends what is no HTTP: what follows on the connection cannot be trusted. It is
    read for a moment all the same, for bytes that meet a closed connection reset it, and the answer may be lost with that (RFC 9112, section 9.6).
    """

    bounds: ClassVar[Settings]
    gate: ClassVar[Gate | None]
    proxies: ClassVar[Sequence[IPv4Network | IPv6Network]]
    open_by_address: ClassVar[dict[str, int]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for its first request."""
        super().connection_made(transport)
        self._awaits_head = True
        self._is_at_head = False
        self._is_refused = False
        self._bytes = 0
        self._clock: asyncio.TimerHandle | None = None
        self._peer = self.client[0] if self.client else ""
        count = self.open_by_address[self._peer] = self.open_by_address.get(self._peer, 0) + 1
        if 0 < self.bounds.max_connections_per_address < count and not self._is_proxy():
            self._refuse(429)
        else:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_clock()
        left = self.open_by_address[self._peer] = self.open_by_address[self._peer] - 1
        if not left:
            del self.open_by_address[self._peer]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came, and look whether the request is complete."""
        if self._is_refused:
            return
        self._bytes += len(data)
        super().data_received(data)
        if self._is_over():
            return
        if not self._bytes:
            self._stop_clock()  # a whole request, and nothing of the next one
        elif self._awaits_head and self._bytes > self.bounds.max_header_bytes:
            self._refuse(431)
        elif self._clock is None:
            self._start_clock()

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._awaits_head = False
        self._is_at_head = True
        super().on_headers_complete()
        self._is_at_head = False

    def on_message_complete(self) -> None:
        """Wait for the next request; where the answer came before the whole body, the time that it may take begins now."""
        self._awaits_head, self._bytes = True, 0
        super().on_message_complete()
        scope: Any = self.cycle.scope
        arrived(scope)
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Turn a start of a run away at once, or hand a request to the application.

        One that waited for the answer to another, ends its connection or finds answers unread goes to the application, which decides alike.
        """
        is_next = self._is_at_head and cycle.keep_alive and not self.flow.write_paused
        self._unset_keepalive_if_required()  # an answer to the request before it, in the same piece, may have armed it
        scope: Any = cycle.scope
        found = self.gate.look(scope) if self.gate is not None and is_next else None
        if isinstance(found, Response):
            self._turn_away(cycle, found)
        elif found is None:
            super()._start_asgi_task(cycle, app)
        else:
            super()._start_asgi_task(cycle, partial(_until_over, found, app))

    def _turn_away(self, cycle: RequestResponseCycle, answer: Response) -> None:
        """Write a whole answer; what may come of the body is passed over."""
        cycle.response_started = cycle.response_complete = True
        head = b"".join(b"%b: %b\r\n" % header for header in (*cycle.default_headers, *answer.raw_headers))
        self.transport.write(STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body))
        cycle.on_response()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read; the connection ends."""
        self._refuse(400)

    def _is_proxy(self) -> bool:
        return any(ip_address(self._peer) in network for network in self.proxies)

    def _is_over(self) -> bool:
        return self._is_refused or self.transport.is_closing()

    def _start_clock(self) -> None:
        self._begun_at = self._bytes
        self._clock = self.loop.call_later(self.bounds.request_timeout_s, self._too_slow)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _too_slow(self) -> None:
        self._clock = None
        has_progress = not self._awaits_head and self._bytes - self._begun_at >= PROGRESS_BYTES
        is_answering = self._awaits_head and self.cycle is not None and not self.cycle.response_complete
        if has_progress or is_answering:
            self._start_clock()
        elif not self._is_over():
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer, unless an answer has begun already, and close."""
        self._stop_clock()
        self._is_refused = True
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(_answer(status))
        if self.pipeline or not self.transport.can_write_eof() or self._is_flooded():
            self.transport.close()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True  # the application writes nothing behind the end
            self.cycle.message_event.set()
        self.transport.write_eof()
        self.flow.resume_reading()
        self._clock = self.loop.call_later(LINGER_S, self.transport.close)

    def _is_flooded(self) -> bool:
        """Tell whether the address holds so many connections that refused ones must not linger."""
        return 0 < 2 * self.bounds.max_connections_per_address < self.open_by_address[self._peer]


async def _until_over(start: Start, app: Any, scope: Any, receive: Any, send: Any) -> None:
    """Count a start while its request lasts, wherever in the application it ends."""
    try:
        await app(scope, receive, send)
    finally:
        start.end()


def _answer(status: int) -> bytes:
    phrase = HTTPStatus(status)
    request_id = new_id()
    body = encode(
        {
            "type": f"urn:agentflow:error:{phrase.name}",
            "title": phrase.phrase,
            "status": status,
            "detail": _DETAILS[status],
            "instance": request_id,
            "code": phrase.name,
            "hint": None,
            "errors": [],
        }
    )
    head = (
        f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + head.encode() + body


def guarded(settings: Settings, gate: Gate | None) -> type[GuardedProtocol]:
    """Return the protocol of one server, with its bounds and, where runs are started, its gate; trusted proxies may hold as many connections as they like."""
    proxies = [ip_network(text, strict=False) for text in sorted(settings.trusted_proxies)]
    members: dict[str, Any] = {"bounds": settings, "gate": gate, "proxies": proxies, "open_by_address": {}}
    return type("BoundProtocol", (GuardedProtocol,), members)
