"""The keys of tenants, unwrapped when they are first needed, and the change of the master key above them.

Every step of a change leaves a state from which all data can be read, and from which the change can be taken up again: the new master key
is kept before anything is wrapped with it, data keys are wrapped anew page by page, and the old master key is forgotten last.
"""

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Select, select, text, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.crypto import new_key
from agentflow.infra.db.engine import Database
from agentflow.infra.db.exclusive import exclusive
from agentflow.infra.keys.base import KeyService
from agentflow.infra.keys.errors import MasterKeyMissing, RotationUnderWay
from agentflow.infra.keys.models import DataKeyRow, MasterKeyRow
from agentflow.kit.clock import Clock

CURRENT, RETIRING = "current", "retiring"
_PAGE = 100
"""Data keys wrapped anew in one transaction."""
_LOCK = "master-key"
_CACHED = 10_000
_AS_ROLE = text("SELECT set_config('role', :role, true)")


class KeyRing:
    """The data keys of all tenants.

    Args:
        database: where they are kept, wrapped.
        service: keeps the master keys.
        clock: what time stamps come from.
        folder: for the lock that lets one process at a time change the master key.
    """

    def __init__(self, database: Database, service: KeyService, clock: Clock, folder: Path) -> None:
        self._database = database
        self._service = service
        self._clock = clock
        self._folder = folder
        self._known: dict[tuple[str, str], bytes] = {}

    async def prepare(self, *, begin: bool = True) -> bool:
        """Make sure, at start, that this process can read the data; tells whether there is a master key.

        A change of the master key that was broken off is finished here.

        Args:
            begin: whether to make a master key on the first start of all.

        Raises:
            MasterKeyMissing: the data are sealed with a master key that is not here; none is made in its place.
            MasterKeyUnreadable: what is here is no key.
        """
        states = await self._states()
        if not states and begin:
            await self._begin()
            states = await self._states()
        known = await self._service.known()
        for master_id in states:
            if master_id not in known:
                raise MasterKeyMissing(
                    f"The database was used with the master key {master_id}, which is not here.",
                    hint="Bring back the file master.key of its data folder, or set AGENTFLOW_MASTER_KEY. No new key was made.",
                )
        if len(states) > 1 or len(known) > 1:
            async with exclusive(self._database, _LOCK, self._folder) as held:
                if held:
                    await self._finish(_current(await self._states()))
        return bool(states)

    async def _begin(self) -> None:
        first = await self._service.begin()
        async with self._database.transaction() as session:
            if (await session.execute(select(MasterKeyRow.id).limit(1))).first() is None:
                row = {"id": first, "state": CURRENT, "created_at": self._clock.now()}
                await session.execute(self._insert(MasterKeyRow).values(row).on_conflict_do_nothing())

    async def key(self, tenant_id: str, purpose: str) -> bytes:
        """Return the key of a tenant for a purpose, making it if there is none; not to be called inside a transaction.

        Raises:
            MasterKeyMissing: it is wrapped with a master key that is not here.
        """
        known = self._known.get((tenant_id, purpose))
        if known is not None:
            return known
        async with self._database.reading() as session:
            found = await self._read(session, tenant_id, purpose)
        if found is None:
            async with self._database.transaction() as session:
                await self._make(session, tenant_id, purpose)
            async with self._database.reading() as session:
                found = await self._read(session, tenant_id, purpose)
        assert found is not None  # noqa: S101 - it was made just now, by this process or another
        return self._keep(tenant_id, purpose, found)

    async def key_within(self, session: AsyncSession, tenant_id: str, purpose: str) -> bytes:
        """Return the key as ``key`` does, inside a writing transaction of the caller; one that is made is stored with it, or not at all."""
        known = self._known.get((tenant_id, purpose))
        if known is not None:
            return known
        found = await self._read(session, tenant_id, purpose)
        if found is not None:
            return self._keep(tenant_id, purpose, found)
        await self._make(session, tenant_id, purpose)
        made = await self._read(session, tenant_id, purpose)
        assert made is not None  # noqa: S101 - as above
        return made  # not kept: the transaction may still come to nothing

    def _keep(self, tenant_id: str, purpose: str, key: bytes) -> bytes:
        if len(self._known) >= _CACHED:
            self._known.pop(next(iter(self._known)))
        self._known[tenant_id, purpose] = key
        return key

    async def _read(self, session: AsyncSession, tenant_id: str, purpose: str) -> bytes | None:
        query = select(DataKeyRow).where(DataKeyRow.tenant_id == tenant_id, DataKeyRow.purpose == purpose)
        for last in (False, True):
            row = (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()
            if row is None:
                return None
            try:
                return await self._service.unwrap(row.master_id, row.wrapped, _place(tenant_id, purpose))
            except MasterKeyMissing:
                # The master key may have been changed between our two looks, at the row and at the key.
                if last:
                    raise
        return None

    async def _make(self, session: AsyncSession, tenant_id: str, purpose: str) -> None:
        # What belongs to no tenant is out of reach of the role that a tenant's transactions run under on PostgreSQL: lay it aside meanwhile.
        role = None if self._database.is_sqlite else await session.scalar(text("SELECT current_setting('role')"))
        if role not in (None, "none"):
            await session.execute(_AS_ROLE, {"role": "none"})
        await self._insert_key(session, tenant_id, purpose)
        if role not in (None, "none"):
            await session.execute(_AS_ROLE, {"role": role})

    async def _insert_key(self, session: AsyncSession, tenant_id: str, purpose: str) -> None:
        # The row of the master key is locked: it cannot be forgotten before this data key is stored.
        states = await self._states(session, shared=True)
        if CURRENT not in states.values():
            states = await self._states(session, shared=True)  # it was changed while we waited for the lock; the next look sees the new one
        master_id = _current(states)
        wrapped = await self._service.wrap(master_id, new_key(), _place(tenant_id, purpose))
        row = {
            "tenant_id": tenant_id,
            "purpose": purpose,
            "master_id": master_id,
            "wrapped": wrapped,
            "created_at": self._clock.now(),
        }
        await session.execute(self._insert(DataKeyRow).values(row).on_conflict_do_nothing())

    async def rotate(self) -> str:
        """Change the master key while everything goes on, and return the name of the new one.

        Raises:
            RotationUnderWay: another process does so now.
            NoNewMasterKey: the master keys are given from outside, and no new one was given.
        """
        async with exclusive(self._database, _LOCK, self._folder) as held:
            if not held:
                raise RotationUnderWay("The master key is being changed by another process.", hint="Wait for it to finish.")
            states = await self._states()
            current = _current(states)
            if len(states) == 1:
                successor = await self._service.successor(current)
                await self._install(current, successor)
                current = successor
            await self._finish(current)
        return current

    async def _install(self, before: str, after: str) -> None:
        async with self._database.transaction() as session:
            await session.execute(update(MasterKeyRow).where(MasterKeyRow.id == before).values(state=RETIRING))
            await session.execute(plain_insert(MasterKeyRow).values(id=after, state=CURRENT, created_at=self._clock.now()))

    async def _finish(self, current: str) -> None:
        while await self._rewrap(current):
            pass
        async with self._database.transaction() as session:
            states = await self._states(session, shared=False)
            left = (await session.execute(select(DataKeyRow.tenant_id).where(DataKeyRow.master_id != current).limit(1))).first()
            for old in [master_id for master_id, state in states.items() if state == RETIRING]:
                if left is None:
                    await session.delete(await session.get_one(MasterKeyRow, old))
        if left is not None:
            await self._finish(current)  # a key was made under the old one at the last moment
            return
        await self._service.keep_only(current)

    async def _rewrap(self, current: str) -> int:
        """Wrap one page of data keys with the current master key; returns how many there were."""
        query = select(DataKeyRow).where(DataKeyRow.master_id != current).limit(_PAGE).with_for_update()
        async with self._database.transaction() as session:
            rows = list((await session.execute(query)).scalars())
            for row in rows:
                place = _place(row.tenant_id, row.purpose)
                key = await self._service.unwrap(row.master_id, row.wrapped, place)
                row.wrapped, row.master_id = await self._service.wrap(current, key, place), current
        return len(rows)

    async def _states(self, session: AsyncSession | None = None, *, shared: bool | None = None) -> Mapping[str, str]:
        """Return the master keys in the database with their states; in a transaction their rows are locked, ``shared`` or alone."""
        query: Select[str, str] = select(MasterKeyRow.id, MasterKeyRow.state).order_by(MasterKeyRow.id)
        if session is None:
            async with self._database.reading() as reading:
                return {row.id: row.state for row in await reading.execute(query)}
        return {row.id: row.state for row in await session.execute(query.with_for_update(read=bool(shared)))}

    def _insert(self, table: type[MasterKeyRow] | type[DataKeyRow]) -> postgresql.Insert | sqlite.Insert:
        return sqlite.insert(table) if self._database.is_sqlite else postgresql.insert(table)


def _current(states: Mapping[str, str]) -> str:
    return next(master_id for master_id, state in states.items() if state == CURRENT)


def _place(tenant_id: str, purpose: str) -> bytes:
    return f"data-key:{tenant_id}:{purpose}".encode()
