"""Live events of the runs that this process drives, to whoever is listening, here and in other processes."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from agentflow.runtime.journal.events import Event
from agentflow.runtime.states import EventType

BUFFERED_EVENTS = 2_000
"""Events kept for one slow reader; beyond that it is told to read the log instead."""


READING_S = 30.0
"""How long a reader in another process is believed in without hearing of it again."""


class Elsewhere(Protocol):
    """The other processes of a cluster."""

    def changed(self, run_id: str) -> None:
        """Tell their readers that new events of a run are stored."""
        ...

    def ended(self, run_id: str) -> None:
        """Tell those who wait there that a run has ended, or waits."""
        ...

    def live(self, event: Event) -> None:
        """Show their readers an event that is not stored."""
        ...

    def reads(self, run_id: str) -> None:
        """Tell whoever drives a run that it is read here."""
        ...


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

    def look_again(self) -> None:
        """End a wait although nothing came: the log has more."""
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
        self.elsewhere: Elsewhere | None = None
        """The other processes; None where there are none."""
        self._remote: dict[str, float] = {}
        self._readers: dict[str, list[Subscription]] = {}
        self._ends: dict[str, list[asyncio.Future[None]]] = {}

    def subscribe(self, run_id: str) -> Subscription:
        """Begin to listen to a run."""
        subscription = Subscription()
        self._readers.setdefault(run_id, []).append(subscription)
        self.announce(run_id)
        return subscription

    def announce(self, run_id: str) -> None:
        """Tell the other processes that a run is read here; to be repeated before ``READING_S`` have passed."""
        if self.elsewhere is not None:
            self.elsewhere.reads(run_id)

    def unsubscribe(self, run_id: str, subscription: Subscription) -> None:
        """Stop listening."""
        readers = self._readers.get(run_id, [])
        if subscription in readers:
            readers.remove(subscription)
        if not readers:
            self._readers.pop(run_id, None)

    def has_readers(self, run_id: str) -> bool:
        """Tell whether anybody listens, so that nothing is built for nobody."""
        return run_id in self._readers or (run_id in self._remote and self._still_read(run_id))

    def _still_read(self, run_id: str) -> bool:
        if self._remote[run_id] > time.monotonic():
            return True
        del self._remote[run_id]
        return False

    def publish(self, run_id: str, events: Iterable[Event]) -> None:
        """Hand events that are durable (or never will be: tokens) to the readers of a run."""
        shown = list(events)
        self._push(run_id, shown)
        if self.elsewhere is not None and run_id in self._remote:
            live = [event for event in shown if event.type is EventType.NODE_TOKEN]
            for event in live:
                self.elsewhere.live(event)
            if len(live) < len(shown):
                self.elsewhere.changed(run_id)

    def show(self, run_id: str, event: Event) -> None:
        """Show an event of another process to the readers here."""
        self._push(run_id, [event])

    def _push(self, run_id: str, events: Iterable[Event]) -> None:
        for reader in self._readers.get(run_id, ()):
            reader.push(events)

    def read_elsewhere(self, run_id: str) -> None:
        """Note that another process reads a run."""
        now = time.monotonic()
        self._remote[run_id] = now + READING_S
        if len(self._remote) % 1024 == 0:
            self._remote = {known: until for known, until in self._remote.items() if until > now}

    def look_again(self, run_id: str) -> None:
        """Have the readers of a run look into the log."""
        for reader in self._readers.get(run_id, ()):
            reader.look_again()

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
        """Wake everyone who waits for the end of a run of this process, here and elsewhere; its result is durable."""
        self.resolve(run_id)
        self._remote.pop(run_id, None)
        if self.elsewhere is not None:
            self.elsewhere.ended(run_id)

    def resolve(self, run_id: str) -> None:
        """Wake those who wait here for the end of a run, and its readers."""
        self.look_again(run_id)
        for future in self._ends.pop(run_id, ()):
            if not future.done():
                future.set_result(None)
