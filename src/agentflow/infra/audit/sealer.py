"""Sealing: giving the records of each tenant their number and their link in the chain, many at a time, apart from the changes themselves.

Records are sealed in the order of their ids, which is nearly that in which they were written; what is written later is sealed later. One
process at a time lengthens the chain of a tenant, because it holds the row of the chain's end.
"""

import asyncio
import contextlib
import os
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Table, bindparam, insert, select, tuple_
from sqlalchemy.exc import DBAPIError, IntegrityError

from agentflow.errors import AgentFlowError
from agentflow.infra.audit.chain import START, Anchor, anchor, digest, link
from agentflow.infra.audit.models import AuditAnchorRow, AuditHeadRow, AuditRow
from agentflow.infra.audit.trail import MAC_PURPOSE
from agentflow.infra.crypto import mac, same
from agentflow.infra.db.bulk import BulkUpdate
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit import json
from agentflow.kit.clock import Clock, iso
from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

SEALED = Counter("agentflow_audit_sealed_total", "Records of the audit log that were sealed into their chain.")
FORGED = Counter("agentflow_audit_forged_total", "Looks at records of the audit log that this program did not write; they are not sealed.")

SIGN_PURPOSE = "audit-anchor"
"""Purpose of the key that anchors are signed with."""
ANCHOR_FILE = "audit-anchors.jsonl"
_BATCH = 2_000
"""Records sealed in one transaction."""
_TENANTS = 200
_TOGETHER = 20
"""Chains lengthened in one transaction: a thousand tenants who do one thing each cost fifty commits, and none of these takes long."""
_RECORDS: Table = AuditRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
_HEADS: Table = AuditHeadRow.__table__  # type: ignore[assignment]
_ANCHORS: Table = AuditAnchorRow.__table__  # type: ignore[assignment]
_SEAL = BulkUpdate("seal_audit", 0, _RECORDS, "id", ("seq", "hash"))
_MOVE = BulkUpdate("move_heads", 0, _HEADS, "tenant_id", ("seq", "hash", "at", "signature"))
# In order, so that two processes do not wait for each other.
_HEADS_OF = (
    select(_HEADS).where(_HEADS.c.tenant_id.in_(bindparam("tenants", expanding=True))).order_by(_HEADS.c.tenant_id).with_for_update()
)
_UNSEALED = (
    select(_RECORDS).where(_RECORDS.c.tenant_id == bindparam("tenant"), _RECORDS.c.seq.is_(None)).order_by(_RECORDS.c.id).limit(_BATCH)
)
_ANCHORED = select(_ANCHORS.c.tenant_id, _ANCHORS.c.seq)
_WAITING = select(_RECORDS.c.tenant_id).where(_RECORDS.c.seq.is_(None)).distinct().limit(_TENANTS)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The chain of one tenant, with its keys, and whether an anchor is due."""

    tenant_id: str
    mac_key: bytes
    sign_key: bytes
    due: bool


@dataclass(frozen=True, slots=True)
class _Grown:
    """What is to be sealed, and the end of its chain behind it."""

    sealed: Sequence[dict[str, Any]]
    seq: int
    hash: bytes


class Sealer:
    """Lengthens the chains of all tenants.

    Args:
        database: where the records are.
        ring: has the tenants' keys.
        clock: the time.
        folder: where the file of anchors lies; outside the database, so that whoever alters one has to alter the other.
        interval_s: seconds between two looks for new records.
        anchor_interval_s: seconds between two anchors of a chain that grows.
    """

    def __init__(self, database: Database, ring: KeyRing, clock: Clock, folder: Path, interval_s: float, anchor_interval_s: float) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._file = folder / ANCHOR_FILE
        self._interval_s = interval_s
        self._anchor_interval_s = anchor_interval_s
        self._anchored: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to seal in the background."""
        self._task = asyncio.create_task(self._periodically(), name="audit-sealer")

    async def stop(self) -> None:
        """Seal what is there, and stop."""
        if self._task is not None:
            await ended(self._task)
            await self._once()

    async def _periodically(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._once()

    async def _once(self) -> None:
        try:
            await self.seal_all()
        except (DBAPIError, OSError, TimeoutError, AgentFlowError) as error:
            log.warning("the audit log could not be sealed, will try again", error=str(error))

    async def seal_all(self) -> None:
        """Seal the records of every tenant that has new ones."""
        async with self._database.reading() as session:
            # In order, so that two processes do not wait for each other.
            tenants = sorted((await session.scalars(_WAITING)).all())
        for first in range(0, len(tenants), _TOGETHER):
            await self._seal(tenants[first : first + _TOGETHER])

    async def seal(self, tenant_id: str, *, anchor_now: bool = False) -> None:
        """Seal the records of one tenant that were committed before this was called.

        With ``anchor_now`` the end of the chain is anchored in any case.
        """
        await self._seal([tenant_id], anchor_now=anchor_now)

    async def _seal(self, tenants: Sequence[str], *, anchor_now: bool = False) -> None:
        chains = [await self._chain(tenant_id, anchor_now=anchor_now) for tenant_id in tenants]
        while chains:
            try:
                ends = await self._database.bulk(partial(self._extend_all, chains=chains))
            except IntegrityError:
                continue  # another process made the first row of a chain
            made = [end for _, end in ends if end is not None]
            for end in made:
                self._anchored[end.tenant_id] = self._clock.monotonic()
            if made:
                await self.keep_outside(made)
            chains = [replace(chain, due=chain.due and end is None) for chain, (more, end) in zip(chains, ends, strict=True) if more]

    async def _chain(self, tenant_id: str, *, anchor_now: bool) -> _Chain:
        mac_key = await self._ring.key(tenant_id, MAC_PURPOSE)
        sign_key = await self._ring.key(tenant_id, SIGN_PURPOSE)
        due = anchor_now or self._clock.monotonic() - self._anchored.get(tenant_id, float("-inf")) >= self._anchor_interval_s
        return _Chain(tenant_id, mac_key, sign_key, due)

    def _extend_all(self, connection: Connection, chains: Sequence[_Chain]) -> list[tuple[bool, Anchor | None]]:
        """Seal one batch of each chain; returns for each whether there may be more, and the anchor that was made, if one was.

        In few statements, for nobody else writes to SQLite meanwhile, and each waits for the interpreter.
        """
        of_all = {"tenants": [chain.tenant_id for chain in chains]}
        heads = {row.tenant_id: (row.seq, row.hash) for row in connection.execute(_HEADS_OF, of_all)}
        grown = [self._links(connection, chain, *heads.get(chain.tenant_id, (0, START))) for chain in chains]
        now = self._clock.now()
        ends = [anchor(chain.sign_key, chain.tenant_id, more.seq, more.hash, now) for chain, more in zip(chains, grown, strict=True)]
        self._store(connection, [record for more in grown for record in more.sealed])
        moved = [asdict(end) for end, more in zip(ends, grown, strict=True) if more.sealed]
        self._move_heads(connection, moved, heads.keys())
        made = self._add_anchors(connection, [end for end, chain in zip(ends, chains, strict=True) if chain.due and end.seq])
        return [(len(more.sealed) == _BATCH, end if end in made else None) for more, end in zip(grown, ends, strict=True)]

    def _links(self, connection: Connection, chain: _Chain, seq: int, hash_: bytes) -> _Grown:
        """Return the links of what is not sealed yet, behind the end of a chain."""
        found = [row._asdict() for row in connection.execute(_UNSEALED, {"tenant": chain.tenant_id})]
        sealed, forged = list[dict[str, Any]](), 0
        for row in found:
            of_record = digest(row)
            if not same(mac(chain.mac_key, of_record), row["mac"]):
                forged += 1
                continue
            seq, hash_ = seq + 1, link(hash_, seq + 1, of_record)
            sealed.append({"id": row["id"], "seq": seq, "hash": hash_})
        if forged:
            FORGED.inc()
            log.error("records of the audit log were not written by this program", tenant_id=chain.tenant_id, count=forged)
        return _Grown(sealed, seq, hash_)

    def _store(self, connection: Connection, sealed: list[dict[str, Any]]) -> None:
        if sealed:
            _SEAL.execute(connection, sealed)
            SEALED.inc(len(sealed))

    def _move_heads(self, connection: Connection, moved: Sequence[dict[str, Any]], known: Container[str]) -> None:
        old, new = [row for row in moved if row["tenant_id"] in known], [row for row in moved if row["tenant_id"] not in known]
        if old:
            _MOVE.execute(connection, old)
        if new:
            connection.execute(insert(_HEADS), new)

    def _add_anchors(self, connection: Connection, ends: Sequence[Anchor]) -> Sequence[Anchor]:
        """Keep those ends that are not kept yet; returns them."""
        if not ends:
            return []
        place = tuple_(_ANCHORS.c.tenant_id, _ANCHORS.c.seq)
        known = {tuple(row) for row in connection.execute(_ANCHORED.where(place.in_([(end.tenant_id, end.seq) for end in ends])))}
        made = [end for end in ends if (end.tenant_id, end.seq) not in known]
        if made:
            connection.execute(insert(_ANCHORS), [asdict(end) for end in made])
        return made

    async def keep_outside(self, made: Sequence[Anchor]) -> None:
        """Keep anchors where who alters the database does not reach them."""
        await asyncio.to_thread(self._append, [to_json(each) for each in made])

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        # In the log as well: where logs are collected elsewhere, the anchors are out of reach of whoever alters this machine.
        for line in lines:
            log.info("audit anchor", **line)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, b"".join(json.dump_bytes(line) + b"\n" for line in lines))
            os.fsync(handle)
        finally:
            os.close(handle)

    def kept_outside(self, tenant_id: str) -> Sequence[Any]:
        """Return the anchors of a tenant in the file of this machine, as JSON; a line that cannot be read is passed over."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(json.InvalidJson):
                value = json.loads(line)
                if isinstance(value, dict) and value.get("tenant_id") == tenant_id:
                    found.append(value)
        return found


def to_json(made: Anchor) -> dict[str, Any]:
    """Return an anchor as it is kept outside the database."""
    return {
        "tenant_id": made.tenant_id,
        "seq": made.seq,
        "hash": made.hash.hex(),
        "at": iso(made.at),
        "signature": made.signature.hex(),
    }
