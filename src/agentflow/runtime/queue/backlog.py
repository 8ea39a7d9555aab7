"""How many runs wait for a worker: counted in the database now and then, and kept up between by what this process accepts."""

from collections import Counter
from typing import Any

from sqlalchemy import func, select, text

from agentflow.infra.db.engine import Database
from agentflow.runtime.records.models import RunRow

_UNOWNED: Any = text("status = 'queued' AND lease_owner IS NULL")


_COUNT = select(RunRow.tenant_id, func.count()).where(_UNOWNED).group_by(RunRow.tenant_id)


class Backlog:
    """What waits, by tenant. Reading it touches no database; it may be behind by what other processes did since the last count."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: Counter[str] = Counter()
        self._accepted: Counter[str] = Counter()
        self._total = 0

    def accept(self, tenant_id: str) -> None:
        """Note that this process has put a run into the queue."""
        self._accepted[tenant_id] += 1
        self._total += 1

    @property
    def total(self) -> int:
        """Runs of all tenants."""
        return self._total

    def of(self, tenant_id: str) -> int:
        """Return the runs of one tenant."""
        return self._counted[tenant_id] + self._accepted[tenant_id]

    async def count(self) -> None:
        """Count anew.

        Raises:
            DBAPIError: the database does not answer.
        """
        before, self._accepted = self._accepted, Counter()
        try:
            self._counted = Counter(
                {row[0]: row[1] for row in await self._database.read(lambda connection: connection.execute(_COUNT).all())}
            )
        except BaseException:
            self._accepted.update(before)
            raise
        # What was accepted during the count may be counted twice until the next one: too much rather than too little.
        self._total = self._counted.total() + self._accepted.total()
