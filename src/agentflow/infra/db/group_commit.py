"""Group commit: the writes of all runs in a process share transactions, so they share the wait for the disk.

A caller hands over a ``Batch`` and gets a future that resolves when the batch is durable. One task takes everything that
is waiting, writes it in one transaction and resolves the futures. Batches of one ``group`` (a run) are written in the order given.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from agentflow.errors import Unavailable
from agentflow.infra.db.bulk import BulkStatement
from agentflow.infra.db.engine import Database
from agentflow.infra.observability.metrics import QUICK_SECONDS

log = structlog.get_logger(__name__)

COMMITS = Counter("agentflow_group_commits_total", "Transactions that the group committer wrote.")
BATCHES = Histogram("agentflow_group_commit_batches", "Batches that shared one commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
TIMES = Histogram("agentflow_group_commit_duration_seconds", "Time of a transaction of the group committer.", buckets=QUICK_SECONDS)
WAITING = Gauge("agentflow_group_commit_waiting", "Batches that wait for the next transaction of the group committer.")
FAILED = Counter(
    "agentflow_group_commit_failures_total", "Batches that the database refused, or whose outcome is unknown; most are sent again."
)
FENCED = Counter("agentflow_fenced_writes_total", "Batches refused because their run has another owner by now: late writes of a zombie.")

MAX_ROWS_PER_COMMIT = 5_000
TOLD_AT_ONCE = 16
"""Callers that go on in one turn of the event loop."""


class Fenced(Exception):
    """The writer no longer owns what it writes about; nothing of the batch was stored."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What must still hold when a batch is written: ``owner`` owns ``key``, by this ``token``; without an owner the token is enough."""

    key: str
    token: int
    owner: str | None = None


@dataclass(slots=True)
class Batch:
    """Rows that become durable together, or not at all.

    Attributes:
        guard: checked in the same transaction; None for writes that need no owner.
        locks: keys of further rows that the writes change; they are locked together with the guards, in one order, so that transactions
            cannot block one another in a circle.
        writes: by statement, the parameter sets it runs with, in order; statements run in ascending ``rank``.
    """

    guard: Guard | None = None
    writes: dict[BulkStatement, list[Mapping[str, Any]]] = field(default_factory=dict)
    locks: tuple[str, ...] = ()

    def add(self, statement: BulkStatement, row: Mapping[str, Any]) -> None:
        """Append one row for ``statement``."""
        self.writes.setdefault(statement, []).append(row)


Statement: TypeAlias = BulkStatement
Outcome: TypeAlias = tuple[asyncio.Future[None], Exception | None]
GuardCheck: TypeAlias = Callable[[Connection, Sequence[Guard], Sequence[str]], set[Guard]]


class GroupCommitter:
    """Writes batches, many to a transaction.

    Args:
        database: where to write.
        check: given the guards of a transaction, returns those that no longer hold; locks the rows it looked at, and those of further keys.
    """

    def __init__(self, database: Database, check: GuardCheck) -> None:
        self._database = database
        self._check = check
        self._waiting: list[tuple[Batch, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._untold: deque[Outcome] = deque()

    def start(self) -> None:
        """Start the writing task on the running loop."""
        self._task = asyncio.create_task(self._run(), name="group-committer")

    async def stop(self) -> None:
        """Write what is waiting, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        while self._untold:
            self._tell_some()

    def submit(self, batch: Batch) -> asyncio.Future[None]:
        """Queue ``batch``; the future resolves when it is durable.

        The future raises ``Fenced`` when the guard no longer held, and the error of the database, or of a value that it cannot hold, when
        the batch was refused or its outcome is unknown.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closing:
            future.set_exception(Unavailable("The server is shutting down.", retry_after_s=5))
            return future
        self._waiting.append((batch, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write(self._take())
            if self._closing:
                return

    def _take(self) -> list[tuple[Batch, asyncio.Future[None]]]:
        rows = 0
        for count, (batch, _) in enumerate(self._waiting, start=1):
            rows += sum(map(len, batch.writes.values()))
            if rows >= MAX_ROWS_PER_COMMIT:
                taken, self._waiting = self._waiting[:count], self._waiting[count:]
                return taken
        taken, self._waiting = self._waiting, []
        return taken

    async def _write(self, taken: list[tuple[Batch, asyncio.Future[None]]]) -> None:
        began = time.perf_counter()
        WAITING.set(len(self._waiting))
        try:
            refused = await self._commit([batch for batch, _ in taken])
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers wait to hear of it, and the next batches must be written
            await self._write_apart(taken, error)
            return
        COMMITS.inc()
        BATCHES.observe(len(taken))
        TIMES.observe(time.perf_counter() - began)
        fenced = [batch.guard in refused for batch, _ in taken]
        FENCED.inc(sum(fenced))
        self._tell([(future, Fenced() if is_fenced else None) for (_, future), is_fenced in zip(taken, fenced, strict=True)])

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        """Resolve futures in order, a few in a turn of the event loop: the callers of a large commit would else have it to themselves."""
        is_telling = bool(self._untold)
        self._untold.extend(outcomes)
        if not is_telling:
            self._tell_some()

    def _tell_some(self) -> None:
        for _ in range(min(TOLD_AT_ONCE, len(self._untold))):
            future, error = self._untold.popleft()
            if future.done():  # its caller gave up
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        if self._untold:
            asyncio.get_running_loop().call_soon(self._tell_some)

    async def _write_apart(self, taken: list[tuple[Batch, asyncio.Future[None]]], error: Exception) -> None:
        """Find the batch that made a shared transaction fail by halving, so that its neighbours do not suffer."""
        if len(taken) > 1 and not _is_outage(error):
            middle = len(taken) // 2
            await self._write(taken[:middle])
            await self._write(taken[middle:])
            return
        FAILED.inc(len(taken))
        log.warning("group commit failed", batches=len(taken), error=str(error))
        self._tell([(future, error) for _, future in taken])

    async def _commit(self, batches: list[Batch]) -> set[Guard]:
        guards = list(dict.fromkeys(batch.guard for batch in batches if batch.guard is not None))
        locks = [key for batch in batches for key in batch.locks]

        def work(connection: Connection) -> set[Guard]:
            refused = self._check(connection, guards, locks) if guards else set()
            write(connection, [batch for batch in batches if batch.guard is None or batch.guard not in refused])
            return refused

        return await self._database.bulk(work)


def write(connection: Connection, batches: Sequence[Batch]) -> None:
    """Write the rows of all batches, whatever their guards, statement by statement in ascending rank."""
    merged: dict[Statement, list[Mapping[str, Any]]] = {}
    for batch in batches:
        for statement, rows in batch.writes.items():
            merged.setdefault(statement, []).extend(rows)
    for statement in sorted(merged, key=lambda statement: statement.rank):
        statement.execute(connection, merged[statement])


def _is_outage(error: Exception) -> bool:
    """Tell whether the database itself failed, so that trying single batches would only take longer."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OSError | TimeoutError | PoolTimeout | OperationalError | InterfaceError)
