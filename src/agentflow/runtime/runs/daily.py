"""The runs that a tenant may start in 24 hours: no more of them, over all processes."""

import asyncio
import time
from zlib import crc32

from sqlalchemy import Connection

from agentflow.identity.quotas import QuotaReached
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, write
from agentflow.infra.db.turns import take_turn_on
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.runs.usage import DAY, started, started_since

NEAR = 1_000
"""Runs: with so many left or fewer, each is counted together with the write that lets it in. More than can be under way at a time."""
FASTEST_PER_S = 5_000.0
"""More runs than all processes together let in during a second: how soon a tenant may come near."""
LONGEST_S = 60.0
"""Seconds after which is counted anew in any case."""
REMEMBERED = 10_000
_TURNS = 4
"""Most connections that wait for a turn about a tenant; tenants are dealt out to them."""


class DailyRuns:
    """Counts before a run is let in.

    Far from its bound a tenant's runs share transactions with everybody else's; near it they are let in one after the other.

    Args:
        database: where runs are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        self._far: dict[str, tuple[int, float]] = {}
        """By tenant, the bound it is far from and until when that is sure."""

    async def is_far(self, run: RunRecord, limit: int) -> bool:
        """Tell whether so many more runs may come that nobody has to count now.

        Raises:
            QuotaReached: there are as many as there may be.
        """
        known = self._far.get(run.tenant_id)
        if known is not None and known[0] == limit and time.monotonic() < known[1]:
            return True
        begin = time.monotonic()
        left = limit - await started_since(self._database, run.tenant_id, run.created_at - DAY)
        self._far.pop(run.tenant_id, None)
        if left <= 0:
            raise _reached(limit)
        if left <= NEAR:
            return False
        if len(self._far) >= REMEMBERED:
            del self._far[next(iter(self._far))]
        self._far[run.tenant_id] = limit, begin + min((left - NEAR) / FASTEST_PER_S, LONGEST_S)
        return True

    async def write(self, run: RunRecord, batch: Batch, limit: int) -> None:
        """Write the batch that lets a run in, if there is room for it.

        Raises:
            QuotaReached: there is none; nothing was written.
        """

        def work(connection: Connection) -> None:
            take_turn_on(connection, "daily-runs", run.tenant_id)
            if connection.execute(started(run.tenant_id, run.created_at - DAY)).scalar_one() >= limit:
                raise _reached(limit)
            write(connection, [batch])

        async with self._turns[crc32(run.tenant_id.encode()) % _TURNS]:
            await self._database.bulk(work)


def _reached(limit: int) -> QuotaReached:
    hint = "Start more later, or ask whoever runs this server for more."
    return QuotaReached(f"Your organisation has started {limit} runs in 24 hours.", hint=hint, retry_after_s=600.0, limit=limit)
