"""Live events of the runs that this process drives, to whoever is listening."""

import asyncio
from collections import deque
from collections.abc import Iterable

from agentflow.runtime.journal.events import Event

BUFFERED_EVENTS = 2_000
"""Events kept for one slow reader; beyond that it is told to read the log instead."""


class Subscription:
    """One reader of one run. ``lagged`` is set when events were dropped because the reader was too slow."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self.lagged = False

    def push(self, events: Iterable[Event]) -> None:
        """Hand over events; never waits."""
        self._events.extend(events)
        if len(self._events) > BUFFERED_EVENTS:
            self._events.clear()
            self.lagged = True
        self._ready.set()

    async def take(self, timeout_s: float) -> list[Event]:
        """Wait up to ``timeout_s`` for events and return all there are; empty when none came."""
        if not self._events and not self.lagged:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ready.wait()
            except TimeoutError:
                return []
        self._ready.clear()
        taken = list(self._events)
        self._events.clear()
        return taken


class LiveHub:
    """Joins the journals of running runs with their readers."""

    def __init__(self) -> None:
        self._readers: dict[str, list[Subscription]] = {}
        self._ends: dict[str, list[asyncio.Future[None]]] = {}

    def subscribe(self, run_id: str) -> Subscription:
        """Begin to listen to a run."""
        subscription = Subscription()
        self._readers.setdefault(run_id, []).append(subscription)
        return subscription

    def unsubscribe(self, run_id: str, subscription: Subscription) -> None:
        """Stop listening."""
        readers = self._readers.get(run_id, [])
        if subscription in readers:
            readers.remove(subscription)
        if not readers:
            self._readers.pop(run_id, None)

    def has_readers(self, run_id: str) -> bool:
        """Tell whether anybody listens, so that nothing is built for nobody."""
        return run_id in self._readers

    def publish(self, run_id: str, events: Iterable[Event]) -> None:
        """Hand events that are durable (or never will be: tokens) to the readers of a run."""
        for reader in self._readers.get(run_id, ()):
            reader.push(events)

    def end_of(self, run_id: str) -> asyncio.Future[None]:
        """Return a future that resolves when the run has ended in this process."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(run_id, []).append(future)
        return future

    def forget(self, run_id: str, future: asyncio.Future[None]) -> None:
        """Drop a future that nobody waits for any more."""
        waiting = self._ends.get(run_id, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._ends.pop(run_id, None)

    def ended(self, run_id: str) -> None:
        """Wake everyone who waits for the end of a run; its result is durable."""
        for future in self._ends.pop(run_id, ()):
            if not future.done():
                future.set_result(None)
