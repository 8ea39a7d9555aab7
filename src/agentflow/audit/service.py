"""The audit log of one tenant at a time: read, export, verify."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from agentflow.audit import repository
from agentflow.audit.errors import InvalidAnchor
from agentflow.audit.repository import AuditFilter
from agentflow.audit.schemas import AuditAnchor, AuditFault, AuditRecord, Verification
from agentflow.errors import Invalid
from agentflow.identity.subject import Subject
from agentflow.infra.audit.chain import Anchor, Fault, Verifier, is_genuine, public_key, record_mac
from agentflow.infra.audit.chain import anchor as sign
from agentflow.infra.audit.denials import Denials
from agentflow.infra.audit.models import AuditRow
from agentflow.infra.audit.sealer import SIGN_PURPOSE, Sealer
from agentflow.infra.audit.trail import MAC_PURPOSE, Deed, Trail
from agentflow.infra.crypto import same
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.pagination import Page, PageRequest

Anchors: TypeAlias = list[Anchor]  # the class has a method of that name
EVERYTHING = AuditFilter()


class AuditService:
    """The use cases of the audit log.

    Args:
        database: where it is.
        ring: has the tenants' keys.
        sealer: seals records.
        trail: where it is written down that the log was exported.
        denials: what was refused lately; it is written before anybody reads.
    """

    def __init__(self, database: Database, ring: KeyRing, sealer: Sealer, trail: Trail, denials: Denials) -> None:
        self._denials = denials
        self._database = database
        self._ring = ring
        self._sealer = sealer
        self._trail = trail

    async def list(self, subject: Subject, which: AuditFilter, page: PageRequest) -> Page[AuditRecord]:
        """Return one page of records, newest first unless sorted otherwise.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        await self._denials.flush()
        async with self._database.reading(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, which, page)
        return Page([_wire(row) for row in found.items], found.next_cursor, found.total)

    async def get(self, subject: Subject, record_id: str) -> AuditRecord:
        """Return a record.

        Raises:
            RecordNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return _wire(await repository.get(session, subject, record_id))

    async def export(self, subject: Subject, which: AuditFilter) -> AsyncIterator[AuditRecord]:
        """Return the records up to now in the order of the chain; without a filter the links can be checked from the file alone."""
        await self._denials.flush()
        async with self._database.transaction(subject.tenant_id) as session:
            await self._trail.add(session, subject, Deed("audit.exported"))
        await self._sealer.seal(subject.tenant_id)

        async def records() -> AsyncIterator[AuditRecord]:
            async for row in repository.sealed(self._database, subject.tenant_id, which):
                yield _wire(AuditRow(**row))

        return records()

    async def verify(self, subject: Subject, kept: Sequence[AuditAnchor] = ()) -> Verification:
        """Seal what is there, follow the chain from its begin, and hold it against every anchor there is.

        Args:
            subject: whose log it is.
            kept: anchors that were kept elsewhere.

        Raises:
            InvalidAnchor: one of them was not signed for this chain.
        """
        tenant_id = subject.tenant_id
        public = public_key(await self._ring.key(tenant_id, SIGN_PURPOSE))
        given = [anchor.plain() for anchor in kept]
        for number, anchor in enumerate(given):
            if anchor.tenant_id != tenant_id or not is_genuine(public, anchor):
                raise InvalidAnchor(f"Anchor {number} was not signed for this log.", errors=[{"path": f"/anchors/{number}"}])
        async with self._database.reading(subject.tenant_id) as session:
            stored = await repository.anchors(session, tenant_id)
        known = [*given, *stored, *self._outside(tenant_id)]
        genuine = [anchor for anchor in known if is_genuine(public, anchor)]
        forged = next((anchor for anchor in stored if not is_genuine(public, anchor)), None)
        # What was cut off would be overgrown by new records: the anchors that there were are looked at before the chain is lengthened.
        await self._sealer.seal(tenant_id)
        verifier, begin, fault = await self._follow(tenant_id, genuine)
        if fault is None and forged is not None:
            fault = Fault(forged.seq, None, f"The anchor of record {forged.seq} was not signed by this program.")
        if fault is None:
            fault = await self._strangers(tenant_id)
        head = None
        if fault is None and verifier.records:
            await self._sealer.seal(tenant_id, anchor_now=True)
            head = await self._head(tenant_id)
        return Verification(
            intact=fault is None,
            records=verifier.records,
            anchors=len({(anchor.seq, anchor.hash) for anchor in genuine}),
            fault=None if fault is None else AuditFault(seq=fault.seq, record_id=fault.record_id, reason=fault.reason),
            head=head,
            floor=None if begin is None else await self._as_anchor(begin),
            public_key=public.hex(),
        )

    async def _as_anchor(self, begin: Anchor) -> AuditAnchor:
        """Return a floor as an anchor, which an exported log is verified with."""
        key = await self._ring.key(begin.tenant_id, SIGN_PURPOSE)
        return AuditAnchor.of(sign(key, begin.tenant_id, begin.seq, begin.hash, begin.at))

    async def _follow(self, tenant_id: str, anchors: Anchors) -> tuple[Verifier, Anchor | None, Fault | None]:
        """Follow the chain from where it begins, which is returned, too; anew where old records were deleted meanwhile."""
        begin = await self._floor(tenant_id)
        while True:
            verifier = Verifier(await self._ring.key(tenant_id, MAC_PURPOSE), anchors, begin)
            fault = await self._fault(tenant_id, verifier, begin)
            now = await self._floor(tenant_id)
            if fault is None or now == begin:
                return verifier, begin, fault
            begin = now

    async def _floor(self, tenant_id: str) -> Anchor | None:
        async with self._database.reading(tenant_id) as session:
            return await repository.floor(session, tenant_id)

    async def _fault(self, tenant_id: str, verifier: Verifier, begin: Anchor | None) -> Fault | None:
        public = public_key(await self._ring.key(tenant_id, SIGN_PURPOSE))
        if begin is not None and not is_genuine(public, begin, is_floor=True):
            return Fault(begin.seq, None, f"That the log begins behind record {begin.seq} was not signed by this program.")
        async for row in repository.sealed(self._database, tenant_id, EVERYTHING):
            fault = verifier.next(row)
            if fault is not None:
                return fault
        return verifier.end()

    async def _strangers(self, tenant_id: str) -> Fault | None:
        """Return a record that somebody else put into the table, if there is one: the sealer leaves those alone."""
        key = await self._ring.key(tenant_id, MAC_PURPOSE)
        async with self._database.reading(tenant_id) as session:
            waiting = await repository.unsealed_ids(session, tenant_id)
        for row in waiting:
            if not same(record_mac(key, row), bytes(row["mac"])):
                return Fault(None, row["id"], f"The record {row['id']} was changed, or was not written by this program.")
        return None

    async def _head(self, tenant_id: str) -> AuditAnchor | None:
        async with self._database.reading(tenant_id) as session:
            stored = await repository.anchors(session, tenant_id)
        return AuditAnchor.of(max(stored, key=lambda anchor: anchor.seq)) if stored else None

    def _outside(self, tenant_id: str) -> Anchors:
        found = []
        for line in self._sealer.kept_outside(tenant_id):
            try:
                found.append(AuditAnchor.model_validate(line).plain())
            except ValueError:
                continue  # a line that was cut off when the machine stopped
        return found


def check_span(since: datetime | None, until: datetime | None) -> None:
    """Refuse a span of time that ends before it begins.

    Raises:
        Invalid: it does.
    """
    if since is not None and until is not None and until <= since:
        raise Invalid("until must be later than since.", errors=[{"in": "query", "path": "/until", "message": "not later than since"}])


def _wire(row: AuditRow) -> AuditRecord:
    known: dict[str, Any] = {name: getattr(row, name) for name in AuditRecord.model_fields if name != "hash"}
    return AuditRecord(**known, hash=None if row.hash is None else row.hash.hex())
