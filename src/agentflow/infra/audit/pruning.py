"""Deleting records of the audit log that are older than they have to be kept, so that what is left can still be verified.

The last record that is deleted leaves its number and link behind, signed: the floor, at which the chain begins from then on. What is about
to be deleted is verified first, for its deletion would be the end of every trace of what somebody did to it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.exc import DBAPIError

from agentflow.errors import AgentFlowError
from agentflow.infra.audit.chain import Anchor, Verifier, anchor, floor
from agentflow.infra.audit.models import AuditAnchorRow, AuditFloorRow, AuditHeadRow, AuditRow
from agentflow.infra.audit.sealer import SIGN_PURPOSE, Sealer
from agentflow.infra.audit.trail import DONE, MAC_PURPOSE, PROGRAM, Deed, Doer, Trail, proven
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.clock import Clock
from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

PRUNED = Counter("agentflow_audit_pruned_total", "Records of the audit log that were deleted because they need not be kept any longer.")

_BATCH = 5_000
"""Records deleted in one transaction."""
_RECORDS: Table = AuditRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
_HEADS: Table = AuditHeadRow.__table__  # type: ignore[assignment]
_ANCHORS: Table = AuditAnchorRow.__table__  # type: ignore[assignment]
_FLOORS: Table = AuditFloorRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class _Keys:
    mac: bytes
    sign: bytes


class Pruner:
    """Deletes old records of all tenants.

    Args:
        database: where the records are.
        ring: has the tenants' keys.
        clock: the time.
        trail: where it is written down.
        sealer: keeps anchors outside the database.
        days: how long records are kept; 0 for ever.
    """

    def __init__(self, database: Database, ring: KeyRing, clock: Clock, trail: Trail, sealer: Sealer, days: float) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._trail = trail
        self._sealer = sealer
        self._days = days
        self._task: asyncio.Task[None] | None = None

    def start(self, interval_s: float) -> None:
        """Begin to look for what may be deleted, first after one interval."""
        if self._days:
            self._task = asyncio.create_task(self._periodically(interval_s), name="audit-pruner")

    async def stop(self) -> None:
        """Stop; what is under way is cut at a transaction."""
        await ended(self._task)

    async def _periodically(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.prune_all()
            except (DBAPIError, OSError, TimeoutError, AgentFlowError) as error:
                log.warning("the audit log could not be pruned, will try again", error=str(error))

    async def prune_all(self) -> int:
        """Delete what is old enough, of every tenant; returns how many records. Safe to repeat, and to do elsewhere at the same time."""
        if not self._days:
            return 0
        async with self._database.reading() as session:
            tenants = list((await session.scalars(select(_HEADS.c.tenant_id))).all())
        before = self._clock.now() - timedelta(days=self._days)
        return sum([await self._prune(tenant_id, before) for tenant_id in tenants])

    async def _prune(self, tenant_id: str, before: datetime) -> int:
        keys = _Keys(await self._ring.key(tenant_id, MAC_PURPOSE), await self._ring.key(tenant_id, SIGN_PURPOSE))
        count, deleted = 0, _BATCH
        while deleted == _BATCH:
            deleted, made = await self._database.bulk(partial(self._cut, tenant_id=tenant_id, before=before, keys=keys))
            count += deleted
            PRUNED.inc(deleted)
            if made is not None:
                await self._sealer.keep_outside([made])
        return count

    def _cut(self, connection: Connection, tenant_id: str, before: datetime, keys: _Keys) -> tuple[int, Anchor | None]:
        """Delete one batch; returns how many records, and the anchor of the last one."""
        # Whoever lengthens or cuts a chain holds the row of its end.
        connection.execute(select(_HEADS.c.seq).where(_HEADS.c.tenant_id == tenant_id).with_for_update()).one_or_none()
        begin = connection.execute(select(_FLOORS).where(_FLOORS.c.tenant_id == tenant_id)).one_or_none()
        at = None if begin is None else Anchor(tenant_id, begin.seq, begin.hash, begin.at, begin.signature)
        old = self._old(connection, tenant_id, 0 if begin is None else begin.seq, before)
        if not old:
            return 0, None
        verifier = Verifier(keys.mac, [], at)
        fault = next((found for each in old if (found := verifier.next(each))), None)
        if fault is not None:
            log.error("the audit log is not as it was written, and is not pruned", tenant_id=tenant_id, fault=fault.reason)
            return 0, None
        self._move_floor(connection, floor(keys.sign, tenant_id, verifier.seq, verifier.hash, self._clock.now()))
        made = anchor(keys.sign, tenant_id, verifier.seq, verifier.hash, self._clock.now())
        connection.execute(delete(_RECORDS).where(_RECORDS.c.tenant_id == tenant_id, _RECORDS.c.seq <= verifier.seq))
        connection.execute(delete(_ANCHORS).where(_ANCHORS.c.tenant_id == tenant_id, _ANCHORS.c.seq <= verifier.seq))
        connection.execute(insert(_ANCHORS).values(_row(made)))
        said = Deed("audit.pruned", None, {"records": len(old), "until": verifier.seq})
        connection.execute(insert(_RECORDS).values(proven(keys.mac, self._trail.facts_of(Doer(tenant_id, "", PROGRAM), said, DONE))))
        return len(old), made

    def _old(self, connection: Connection, tenant_id: str, after: int, before: datetime) -> Sequence[dict[str, Any]]:
        """Return the records at the begin of the chain that are old enough, up to the first that is not."""
        query = select(_RECORDS).where(_RECORDS.c.tenant_id == tenant_id, _RECORDS.c.seq > after).order_by(_RECORDS.c.seq).limit(_BATCH)
        found = []
        for row in connection.execute(query).all():
            if row.at >= before:
                break
            found.append(row._asdict())
        return found

    def _move_floor(self, connection: Connection, to: Anchor) -> None:
        connection.execute(delete(_FLOORS).where(_FLOORS.c.tenant_id == to.tenant_id))
        connection.execute(insert(_FLOORS).values(_row(to)))


def _row(made: Anchor) -> dict[str, Any]:
    return {"tenant_id": made.tenant_id, "seq": made.seq, "hash": made.hash, "at": made.at, "signature": made.signature}
