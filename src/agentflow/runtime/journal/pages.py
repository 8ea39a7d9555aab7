"""How events lie in the database: consecutive ones share a row, a *page*, because they are committed together anyway.

A page holds ``[type, node_id, microseconds since 1970, data]`` for each event; an event's number follows from its place. Outputs are not
in it: they are stored once, with the node run and the run, and joined when events are read.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from agentflow.kit.clock import from_microseconds, to_microseconds
from agentflow.runtime.states import EventType

PAGE_EVENTS = 64
"""Most events in a page, so that reading from a given event never reads much more."""

_JOINED = frozenset({"output", "outputs"})


class Entry(NamedTuple):
    """One event on its way into or out of the database."""

    seq: int
    type: EventType
    node_id: str | None
    at: datetime
    data: dict[str, Any]


def pages(tenant_id: str, run_id: str, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Yield the rows that hold consecutive events."""
    for start in range(0, len(entries), PAGE_EVENTS):
        part = entries[start : start + PAGE_EVENTS]
        yield {
            "tenant_id": tenant_id,
            "run_id": run_id,
            "first_seq": part[0].seq,
            "last_seq": part[-1].seq,
            "events": [[entry.type.value, entry.node_id, to_microseconds(entry.at), _stored(entry.data)] for entry in part],
        }


def entries(first_seq: int, events: Sequence[Sequence[Any]]) -> Iterator[Entry]:
    """Yield the events of a page."""
    for seq, (type_, node_id, at, data) in enumerate(events, start=first_seq):
        yield Entry(seq, EventType(type_), node_id, from_microseconds(at), data or {})


def _stored(data: dict[str, Any]) -> dict[str, Any] | None:
    return {key: value for key, value in data.items() if key not in _JOINED} or None
