"""The states that a run has gone through, read from its event log and its node runs: nothing more is stored for them.

A checkpoint is the moment when an execution of a node ended; its number is that of the event. Number 0 is the begin.
"""

from collections import Counter, defaultdict
from typing import Any

from agentflow.errors import Malformed, NotFound
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.reader import BATCH, EventReader
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.repository import get_run, load_memory
from agentflow.runtime.runs.schemas import Checkpoint, CheckpointDiff, CheckpointState
from agentflow.runtime.states import EventType, NodeStatus
from agentflow.runtime.values.large import LargeValues

_STATUS = {
    EventType.NODE_COMPLETED: NodeStatus.COMPLETED,
    EventType.NODE_FAILED: NodeStatus.FAILED,
    EventType.NODE_SKIPPED: NodeStatus.SKIPPED,
}


class CheckpointNotFound(NotFound):
    """The run has no such checkpoint."""

    code, title = "CHECKPOINT_NOT_FOUND", "Checkpoint not found"


class Checkpoints:
    """The checkpoints of runs, for one subject at a time."""

    def __init__(self, database: Database, reader: EventReader, values: LargeValues) -> None:
        self._database = database
        self._values = values
        self._reader = reader

    async def state(self, subject: Subject, run_id: str, number: int) -> CheckpointState:
        """Return the state of a run at a checkpoint.

        Raises:
            RunNotFound: the tenant has no such run.
            CheckpointNotFound: the run has no such checkpoint.
        """
        run = await get_run(self._database, subject, run_id)
        records = await self.records(subject, run, number)
        return CheckpointState(id=number, run_id=run.id, inputs=run.inputs, nodes=_outputs(records))

    async def diff(self, subject: Subject, run_id: str, first: int, second: int) -> CheckpointDiff:
        """Return how the state changed from one checkpoint to another.

        Raises:
            RunNotFound: the tenant has no such run.
            CheckpointNotFound: the run has no such checkpoint.
        """
        run = await get_run(self._database, subject, run_id)
        before = _outputs(await self.records(subject, run, first))
        after = _outputs(await self.records(subject, run, second))
        return CheckpointDiff(
            added={key: value for key, value in after.items() if key not in before},
            removed={key: value for key, value in before.items() if key not in after},
            changed={key: {"from": before[key], "to": after[key]} for key in before if key in after and before[key] != after[key]},
        )

    async def records(self, subject: Subject, run: RunRecord, number: int | None) -> list[NodeRecord]:
        """Return the executions that had ended at a checkpoint (None: now), in the order they began.

        Raises:
            CheckpointNotFound: the run has no such checkpoint.
        """
        ended: dict[str, list[NodeRecord]] = defaultdict(list)
        memory = await load_memory(self._database, run)
        await self._values.recall(run, memory.nodes)
        for record in sorted(memory.nodes, key=lambda record: record.iteration):
            if record.is_final:
                ended[record.key].append(record)
        if number is None:
            return _in_order(ended)
        events = await self._ends(subject, run.id)
        if number != 0 and all(event.seq != number for event in events):
            raise CheckpointNotFound(
                f"Run {run.id} has no checkpoint {number}.", hint=f"GET /api/v1/runs/{run.id}/checkpoints lists those it has."
            )
        total = Counter(event.node_id for event in events)
        until = Counter(event.node_id for event in events if event.seq <= number)
        # What a forked run took over has no events of its own: it was there from the begin.
        return _in_order({key: records[: len(records) - total[key] + until[key]] for key, records in ended.items()})

    async def _ends(self, subject: Subject, run_id: str) -> list[Event]:
        """Return the events that end an execution, in order."""
        found: list[Event] = []
        after = 0
        while page := await self._reader.read(subject, run_id, after, BATCH):
            found.extend(event for event in page if event.type in _STATUS)
            after = page[-1].seq
        return found

    async def list(self, subject: Subject, run_id: str, page: PageRequest) -> Page[Checkpoint]:
        """Return one page of a run's checkpoints, oldest first unless sorted otherwise.

        Raises:
            RunNotFound: the tenant has no such run.
            Malformed: a cursor of another list.
        """
        ends = await self._ends(subject, run_id)
        if page.sort is not None and page.sort.endswith(":desc"):
            ends.reverse()
        begin = (page.page - 1) * page.limit
        if page.cursor is not None:
            begin = _after(ends, page.cursor)
        items = [_checkpoint(event) for event in ends[begin : begin + page.limit]]
        more = len(ends) > begin + page.limit
        return Page(items, encode_cursor([items[-1].id]) if more else None, len(ends) if page.count else None)


def _after(ends: list[Event], cursor: str) -> int:
    """Return where the page behind ``cursor`` begins.

    Raises:
        Malformed: the cursor is not of this list.
    """
    numbers = [event.seq for event in ends]
    try:
        return numbers.index(decode_cursor(cursor, 1)[0]) + 1
    except (InvalidCursor, ValueError) as error:
        raise Malformed("The cursor is not one this server gave out for this list.") from error


def _checkpoint(event: Event) -> Checkpoint:
    return Checkpoint(id=event.seq, node_id=event.node_id or "", status=_STATUS[EventType(event.type)], at=event.at)


def _in_order(ended: dict[str, list[NodeRecord]]) -> list[NodeRecord]:
    return sorted((record for records in ended.values() for record in records), key=lambda record: record.position)


def _outputs(records: list[NodeRecord]) -> dict[str, Any]:
    """Return what each node had come to, its last iteration."""
    return {record.key: {"error": record.error} if record.status is NodeStatus.FAILED else record.output for record in records}
