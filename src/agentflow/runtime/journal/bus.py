"""What the processes of a cluster tell one another about runs: that one has changed or ended, what a model says, who reads, who cancels.

An event stream is served by one process and the run driven by another. The reader's process announces that it reads; from then on the
driver's process tells of each commit, and sends text as it comes. Stored events themselves are read from the database.
"""

import itertools
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.engine.url import URL

from agentflow.infra.db.news import Item, News
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.states import EventType

_TEXT = 1_000
"""Most characters of streamed text in one message."""

_CHANGED, _ENDED, _LIVE, _READS, _CANCEL, _QUEUED, _SIGNALLED = "changed", "ended", "live", "reads", "cancel", "queued", "signalled"


class Worker(Protocol):
    """What news do to the runs of this process."""

    def cancel(self, run_id: str) -> bool:
        """Stop a run, if it is driven here."""
        ...

    def poke(self, run_id: str) -> bool:
        """Tell a run that something has come which it may wait for, if it is driven here."""
        ...

    def drives(self, run_id: str) -> bool:
        """Tell whether a run is driven here."""
        ...

    def look(self) -> None:
        """Look into the queue, if a place is free."""
        ...


class RunNews:
    """Fulfils the hub's ``Elsewhere``, and brings what others say to the hub and to the worker of this process.

    Args:
        url: the database that all processes share.
        hub: the live events of this process.
        worker: the runs of this process.
    """

    def __init__(self, url: URL, hub: LiveHub, worker: Worker) -> None:
        self._news = News(url, self._heard)
        self._hub = hub
        self._worker = worker
        self._number = itertools.count()

    def start(self) -> None:
        """Begin to listen."""
        self._news.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._news.stop()

    def changed(self, run_id: str) -> None:
        """Tell readers elsewhere that new events of a run are stored."""
        self._news.send([_CHANGED, run_id])

    def ended(self, run_id: str) -> None:
        """Tell those who wait elsewhere that a run has ended, or waits."""
        self._news.send([_ENDED, run_id])

    def live(self, event: Event) -> None:
        """Show readers elsewhere an event that is not stored."""
        for data in _cut(event.data):
            # Numbered, for the same text twice is two messages.
            said = [event.run_id, event.type.value, event.node_id, event.seq, event.at.isoformat(), data]
            self._news.send([_LIVE, *said, next(self._number)])

    def reads(self, run_id: str) -> None:
        """Tell whoever drives a run that it is read here."""
        self._news.send([_READS, run_id])

    def cancel(self, run_id: str) -> None:
        """Ask whoever drives a run to stop it."""
        self._news.send([_CANCEL, run_id])

    def signalled(self, run_id: str) -> None:
        """Tell whoever drives a run that something has come which it may wait for."""
        self._news.send([_SIGNALLED, run_id])

    def queued(self) -> None:
        """Ask the other workers to look into the queue: this one is full."""
        self._news.send([_QUEUED])

    def _heard(self, item: Item) -> None:
        match item:
            case [kind, str(run_id)] if kind == _CHANGED:
                self._hub.look_again(run_id)
            case [kind, str(run_id)] if kind == _ENDED:
                self._hub.resolve(run_id)
            case [kind, str(run_id)] if kind == _READS:
                self._hub.read_elsewhere(run_id)
                if self._worker.drives(run_id):
                    self.changed(run_id)  # what was committed before it could be heard
            case [kind, str(run_id)] if kind == _CANCEL:
                self._worker.cancel(run_id)
            case [kind, str(run_id)] if kind == _SIGNALLED:
                self._worker.poke(run_id)
            case [kind] if kind == _QUEUED:
                self._worker.look()
            case [kind, str(run_id), str(type_), node_id, int(seq), str(at), dict(data), _] if kind == _LIVE:
                shown = {"seq": seq, "run_id": run_id, "type": EventType(type_), "node_id": node_id, "at": datetime.fromisoformat(at)}
                self._hub.show(run_id, Event.model_construct(**shown, data=data))


def _cut(data: dict[str, Any]) -> list[dict[str, Any]]:
    text = data.get("text")
    if not isinstance(text, str) or len(text) <= _TEXT:
        return [data]
    return [{**data, "text": text[start : start + _TEXT]} for start in range(0, len(text), _TEXT)]
