"""What must hold after a campaign, read from the database itself: of every accepted run, and of every effect that a sink saw."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from agentflow.infra.db.engine import Database
from agentflow.runtime.journal.pages import Entry, entries
from agentflow.runtime.records.models import EventPageRow, RunRow
from tests.acceptance.sink import Hit


@dataclass
class Course:
    """One run as it is stored.

    Attributes:
        id: its id.
        status: where it is.
        outputs: what came out.
        created_at: when it was accepted.
        started_at: when its first node could begin.
        events: everything that happened, in order.
    """

    id: str
    status: str
    outputs: Any
    created_at: datetime
    started_at: datetime | None
    events: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Death:
    """A process that was killed, and when it could be used again; in seconds since 1970."""

    at: float
    back: float


async def courses(url: str) -> dict[str, Course]:
    """Return every run of a database by its id."""
    database = Database(url)
    try:
        async with database.reading() as session:
            columns = (RunRow.id, RunRow.status, RunRow.outputs, RunRow.created_at, RunRow.started_at)
            found = {row[0]: Course(*row) for row in await session.execute(select(*columns))}
            pages = select(EventPageRow.run_id, EventPageRow.first_seq, EventPageRow.events)
            for run_id, first, events in await session.execute(pages.order_by(EventPageRow.run_id, EventPageRow.first_seq)):
                found[run_id].events += entries(first, events)
            return found
    finally:
        await database.close()


async def audit(url: str, promised: Mapping[str, str], hits: Sequence[Hit] = (), *, apart: Collection[str] = ()) -> dict[str, Course]:
    """Hold every promise of a campaign, and return the runs.

    Every accepted run is there, once for its key, and succeeded; no other run is; the log of each is without a gap and ends once; no
    node completed twice; every effect kept its key, and none came after its node had completed.

    Args:
        url: the database.
        promised: run ids by idempotency key.
        hits: what the sink saw.
        apart: ids of runs that are none of the campaign's.
    """
    found = {run_id: course for run_id, course in (await courses(url)).items() if run_id not in apart}
    assert len(set(promised.values())) == len(promised), "two keys name one run"
    lost, unasked = set(promised.values()) - found.keys(), found.keys() - set(promised.values())
    assert not lost, f"{len(lost)} accepted runs are lost: {sorted(lost)[:5]}"
    assert not unasked, f"{len(unasked)} runs that nobody was promised: {sorted(unasked)[:5]}"
    by_run: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        by_run[hit.run_id].append(hit)
    for course in found.values():
        _whole(course)
        _once(course, by_run[course.id])
    return found


def _whole(course: Course) -> None:
    assert course.status == "succeeded", f"run {course.id} is {course.status}"
    assert [event.seq for event in course.events] == list(range(1, len(course.events) + 1)), (
        f"run {course.id}: its log has a gap or a repeat"
    )
    kinds = Counter(event.type.value for event in course.events)
    assert kinds["run.queued"] == kinds["run.succeeded"] == 1, f"run {course.id} began or ended more than once: {dict(kinds)}"
    assert course.events[-1].type == "run.succeeded", f"run {course.id}: something happened after its end"


def _once(course: Course, hits: Sequence[Hit]) -> None:
    done = [event for event in course.events if event.type == "node.completed"]
    times = {_place(event): event.at.timestamp() for event in done}
    assert len(times) == len(done), f"run {course.id}: a node completed twice:\n" + "\n".join(map(str, course.events))
    keys: dict[str, set[str]] = defaultdict(set)
    for hit in hits:
        place = f"each[{hit.node.removeprefix('item')}]" if hit.node.startswith("item") else hit.node
        keys[place].add(hit.key)
        assert hit.at <= times[place], f"run {course.id}: {place} ran again after it had completed"
    assert all(len(used) == 1 for used in keys.values()), f"run {course.id}: the idempotency key of a node changed"


def _place(event: Entry) -> str:
    iteration = event.data.get("iteration", 0)
    return f"{event.node_id}#{iteration}" if iteration else str(event.node_id)


def recoveries(course: Course, deaths: Sequence[Death], *, alone: bool) -> list[float]:
    """Return how long each wait of a run for a new owner took, in seconds.

    A process that is ``alone`` is down while it restarts: a run is waited for from when it is ready, after the last of several deaths. In a
    cluster the others live, and a wait begins with the first death behind the last thing that the owner noted.
    """
    waits = []
    for before, event in zip(course.events, course.events[1:], strict=False):
        if event.type not in {"run.started", "run.resumed"}:
            continue
        last, taken = before.at.timestamp(), event.at.timestamp()
        behind = [death for death in deaths if last <= death.at < taken]
        if behind:
            waits.append(max(taken - behind[-1].back, 0.0) if alone else taken - behind[0].at)
    return waits


def quantiles(waits: Sequence[float]) -> str:
    """Return the median, the 95th percentile and the longest of some seconds, in words."""
    ordered = sorted(waits)
    return f"median {ordered[len(ordered) // 2]:.2f} s, p95 {percentile95(ordered):.2f} s, longest {ordered[-1]:.2f} s"


def percentile95(waits: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(waits)[len(waits) * 95 // 100]
