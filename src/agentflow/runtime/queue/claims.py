"""Taking queued runs: which come next is decided in the database, in one place and for all workers at once.

A tenant with fewer running runs comes first, then they take turns; within a tenant the higher priority, then the older run. Limits on
runs at a time are counted over all workers. One claim at a time is made in the whole cluster: it takes milliseconds, and counting would
be wrong otherwise.

A claim is on disk before the run is driven: one that a crash of the database took back would be made again with the same fencing token, and then
nothing would tell what is written for the first from what is written for the second.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter, Histogram
from sqlalchemy import Boolean, ColumnElement, Connection, Integer, Row, TextClause, bindparam, case, func, or_, select, text, update

from agentflow.identity.models import TenantRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.types import Id, UtcTime
from agentflow.infra.observability.metrics import QUICK_SECONDS
from agentflow.kit.clock import Clock
from agentflow.runtime.queue.known import KNOWN, KNOWN_SQL
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import RUN_COLUMNS, to_run

TAKEN = Counter("agentflow_runs_claimed_total", "Runs that this process took from the queue.")
TIMES = Histogram("agentflow_claim_duration_seconds", "Time of asking the queue for the next runs.", buckets=QUICK_SECONDS)

MAX_CLAIM = 64
"""Most runs that one claim takes, so that a claim stays short whatever waits."""

_LOCK = 0x61676E_71756575
"""Key of the advisory lock that lets one claim run at a time (PostgreSQL); SQLite has one writer anyway."""

_UNLIMITED = 2**31 - 1

_UNOWNED: Any = text("status = 'queued' AND lease_owner IS NULL")
"""Literally the condition of the index, for a database compares them by their text."""

# A queue is what waits of one tenant with one concurrency key. They are found by leaps over the index, one leap a queue, so that ten
# thousand runs behind the first cost nothing. Only the queues whose turn it is are looked into.
_NEXT = """
WITH RECURSIVE queues (tenant_id, concurrency_key, priority, id, max_concurrency) AS (
  SELECT * FROM (
    SELECT tenant_id, concurrency_key, priority, id, max_concurrency FROM runs
    WHERE status = 'queued' AND lease_owner IS NULL AND {known}
    ORDER BY tenant_id, concurrency_key, priority DESC, id LIMIT 1
  ) AS head
  UNION ALL
  SELECT head.tenant_id, head.concurrency_key, head.priority, head.id, head.max_concurrency
  FROM queues JOIN runs AS head ON head.id = (
    SELECT id FROM runs AS behind
    WHERE status = 'queued' AND lease_owner IS NULL AND {known}
      AND (behind.tenant_id, behind.concurrency_key) > (queues.tenant_id, queues.concurrency_key)
    ORDER BY tenant_id, concurrency_key, priority DESC, id LIMIT 1
  )
),
busy AS (
  SELECT tenant_id, concurrency_key, count(*) AS runs FROM runs
  WHERE status IN ('queued', 'running') AND lease_until IS NOT NULL
  GROUP BY tenant_id, concurrency_key
),
shares AS (SELECT tenant_id, sum(runs) AS runs FROM busy GROUP BY tenant_id),
turns AS (
  SELECT queues.tenant_id, queues.concurrency_key, coalesce(busy.runs, 0) AS busy, coalesce(shares.runs, 0) AS share,
    coalesce(tenants.max_running_runs, :unlimited) AS quota
  FROM queues
  LEFT JOIN busy ON busy.tenant_id = queues.tenant_id AND busy.concurrency_key = queues.concurrency_key
  LEFT JOIN shares ON shares.tenant_id = queues.tenant_id
  LEFT JOIN tenants ON tenants.id = queues.tenant_id
  WHERE coalesce(busy.runs, 0) < coalesce(queues.max_concurrency, :unlimited) AND coalesce(shares.runs, 0) < :per_tenant
    AND coalesce(shares.runs, 0) < coalesce(tenants.max_running_runs, :unlimited)
  ORDER BY coalesce(shares.runs, 0), queues.priority DESC, queues.id LIMIT :amount
),
candidates AS (
  SELECT run.id, run.tenant_id, run.concurrency_key, run.priority, run.max_concurrency, run.tries = :last AS suspect, busy, share, quota
  FROM turns JOIN runs AS run ON run.id {member} (
    SELECT id FROM runs AS waiting
    WHERE status = 'queued' AND lease_owner IS NULL AND {known}
      AND waiting.tenant_id = turns.tenant_id AND waiting.concurrency_key = turns.concurrency_key
      AND (:suspects OR waiting.tries <> :last)
    ORDER BY priority DESC, id LIMIT :amount
  ){closing}
),
placed AS (
  SELECT candidates.*, row_number() OVER (PARTITION BY tenant_id, concurrency_key ORDER BY priority DESC, id) AS place,
    row_number() OVER (PARTITION BY suspect ORDER BY share, priority DESC, id) AS turn
  FROM candidates
),
ranked AS (
  SELECT id, priority, quota, share + row_number() OVER (PARTITION BY tenant_id ORDER BY priority DESC, id) AS rank FROM placed
  WHERE busy + place <= coalesce(max_concurrency, :unlimited) AND (NOT suspect OR turn = 1)
)
SELECT id FROM ranked WHERE rank <= :per_tenant AND rank <= quota ORDER BY rank, priority DESC, id LIMIT :amount
"""

_COUNTED = select(TenantRow.id).where(text("max_running_runs IS NOT NULL"))
"""Tenants whose runs are counted, because they have a quota; likewise literally the condition of an index."""
_ANY = select(RunRow.id).where(_UNOWNED, KNOWN).limit(1)


class Claims:
    """Claims runs for one worker.

    Args:
        database: where the queue is.
        clock: tells when leases end.
        owner: the worker.
        lease_s: seconds that a run belongs to it without renewal.
        per_tenant: most runs of a tenant at a time over all workers; None for no limit.
        max_tries: how many owners a run may cost. Before its last try it is a *suspect*: a worker drives one of these at a time, so that
            runs which were only beside the culprit are not given up with it.
    """

    def __init__(self, database: Database, clock: Clock, owner: str, lease_s: float, per_tenant: int | None, max_tries: int) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease = timedelta(seconds=lease_s)
        self._per_tenant = per_tenant
        self._counted: frozenset[str] = frozenset()
        self._last = max_tries - 1 if max_tries > 1 else -1
        self._next = _next(is_sqlite=database.is_sqlite)
        # Built once: building takes longer than running.
        self._all, self._some = self._take_all(), self._take(RunRow.id.in_(bindparam("ids", expanding=True, type_=Id)))

    async def learn(self) -> None:
        """Look which tenants have a quota of runs at a time."""
        self._counted = frozenset(await self._database.read(lambda connection: connection.execute(_COUNTED).scalars().all()))

    def counts(self, run: RunRecord) -> bool:
        """Tell whether a run takes one of a limited number of places, of its workflow or its tenant, over all workers."""
        return run.max_concurrency is not None or self._per_tenant is not None or run.tenant_id in self._counted

    def is_suspect(self, run: RunRecord) -> bool:
        """Tell whether a claimed run makes its last try."""
        return self._last > 0 and run.tries == self._last + 1

    async def claim_next(self, amount: int, *, suspects: bool) -> list[RunRecord]:
        """Take up to ``amount`` (and ``MAX_CLAIM``) queued runs, in the order in which they start.

        Args:
            amount: how many there is room for.
            suspects: whether there is room for a run before its last try; at most one is taken.
        """
        began = time.perf_counter()
        amount, taken = min(amount, MAX_CLAIM), list[Row[Any]]()
        more = True
        if self._per_tenant is None and not self._database.is_sqlite:
            taken, more = await self._database.bulk(lambda connection: self._take_what_waits(connection, amount))
        if more and not taken:
            # In a transaction of its own: the first one may hold rows that another worker, holding the lock below, waits for.
            taken = await self._database.bulk(lambda connection: self._take_turns(connection, amount, suspects=suspects))
        TAKEN.inc(len(taken))
        TIMES.observe(time.perf_counter() - began)
        return sorted(map(to_run, taken), key=lambda run: (-run.priority, run.id))

    def _take_what_waits(self, connection: Connection, amount: int) -> tuple[list[Row[Any]], bool]:
        """Take everything that waits, if it can be; returns the runs and whether anything waits."""
        taken = list(connection.execute(self._all, {"amount": amount, "one_more": amount + 1, "until": self._until()}))
        return taken, bool(taken) or connection.execute(_ANY).first() is not None

    def _until(self) -> datetime:
        return self._clock.now() + self._lease

    def _take_turns(self, connection: Connection, amount: int, *, suspects: bool) -> list[Row[Any]]:
        """Take the runs whose turn it is."""
        if not self._database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        limits = {"per_tenant": self._per_tenant or _UNLIMITED, "unlimited": _UNLIMITED, "last": self._last}
        ids = connection.execute(self._next, {**limits, "amount": amount, "suspects": suspects}).scalars().all()
        return list(connection.execute(self._some, {"ids": ids, "until": self._until()})) if ids else []

    def _take_all(self) -> Any:
        """Return what takes everything that waits, if there is room for all of it and nothing of it has to be counted."""
        columns = select(RunRow.id, RunRow.max_concurrency, RunRow.tries, RunRow.tenant_id)
        waiting = (
            columns.where(_UNOWNED, KNOWN).limit(bindparam("one_more", type_=Integer)).with_for_update(skip_locked=True).cte("waiting")
        )
        has_quota = waiting.c.tenant_id.in_(_COUNTED)
        counted = or_(waiting.c.max_concurrency.is_not(None), waiting.c.tries >= max(self._last, 1), has_quota)
        room = select(func.count()).select_from(waiting).scalar_subquery() <= bindparam("amount", type_=Integer)
        return self._take(RunRow.id.in_(select(waiting.c.id)), room, ~select(waiting.c.id).where(counted).exists())

    def _take(self, *which: ColumnElement[bool]) -> Any:
        return (
            update(RunRow)
            .where(*which, _UNOWNED)
            .values(
                lease_owner=self._owner,
                lease_until=bindparam("until", type_=UtcTime),
                fence=RunRow.fence + 1,
                attempts=RunRow.attempts + 1,
                # Waiting is progress: what killed nobody until then is trusted again.
                tries=case((RunRow.waiting_since.is_not(None), 1), else_=RunRow.tries + 1),
            )
            .returning(*RUN_COLUMNS)
        )


def _next(*, is_sqlite: bool) -> TextClause:
    # PostgreSQL looks ids up by an array; to it the other way is a subquery for every run of the table.
    member, closing = ("IN", "") if is_sqlite else ("= ANY (ARRAY", ")")
    names = ("amount", "per_tenant", "unlimited", "last")
    binds = [bindparam(name, type_=Integer) for name in names]
    statement: Any = text(_NEXT.format(member=member, closing=closing, known=KNOWN_SQL)).bindparams(
        *binds, bindparam("suspects", type_=Boolean)
    )
    return statement.columns(id=Id)  # type: ignore[no-any-return]  # a textual select
