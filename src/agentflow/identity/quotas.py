"""What an organisation may use, where it is less than the installation's own limits."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from agentflow.errors import RateLimited, StorageFull
from agentflow.identity.models import TenantRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup
from agentflow.kit.clock import Clock
from agentflow.kit.memo import Memo

CACHE_S = 5.0
CACHED = 10_000
MAX_RUNNING_RUNS, MAX_QUEUED_RUNS, RUNS_PER_DAY = "max_running_runs", "max_queued_runs", "runs_per_day"
STORAGE_BYTES, TOKENS_PER_DAY, TOKENS_PER_MONTH = "storage_bytes", "tokens_per_day", "tokens_per_month"
_QUOTAS = Lookup(select(TenantRow.quotas).where(TenantRow.id == bindparam("tenant_id")))


class QuotaReached(RateLimited):
    """The organisation may start no more runs for now."""

    code, title = "QUOTA_REACHED", "Quota reached"


class StorageQuotaReached(StorageFull):
    """The organisation may keep no more bytes."""

    code, title = "STORAGE_QUOTA_REACHED", "Storage quota reached"


class TenantQuotas:
    """Reads quotas; a change holds everywhere within five seconds.

    Args:
        database: where they are.
        clock: the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._known: Memo[str, Mapping[str, int]] = Memo(clock, CACHE_S, CACHED)

    async def of(self, tenant_id: str) -> Mapping[str, int]:
        """Return a tenant's quotas by name; what is not there has no bound of its own."""
        return await self._known.get(tenant_id, lambda: self._look_up(tenant_id))

    async def _look_up(self, tenant_id: str) -> Mapping[str, int]:
        row = await self._database.read_one(_QUOTAS, {"tenant_id": tenant_id})
        quotas: Mapping[str, int] = {} if row is None else row.quotas or {}
        return quotas

    def learn(self, tenant_id: str, quotas: Mapping[str, int] | None, since: float) -> None:
        """Remember a tenant's quotas, which somebody has just read, by a look begun at ``since`` on the clock."""
        self._known.learn(tenant_id, quotas or {}, since)

    def forget(self, tenant_id: str) -> None:
        """Look a tenant's quotas up anew; this process has just changed them."""
        self._known.forget(tenant_id)
