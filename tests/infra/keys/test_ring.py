"""Master keys and data keys: made once, found again, changed under load, and never replaced in silence."""

import asyncio
import stat
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from agentflow.infra.crypto import SealBroken, new_key, seal, to_text, unseal
from agentflow.infra.db.engine import Database
from agentflow.infra.keys.errors import MasterKeyMissing, MasterKeyUnreadable, NoNewMasterKey
from agentflow.infra.keys.local import EnvironmentKeys, FileKeys
from agentflow.infra.keys.models import DataKeyRow, MasterKeyRow
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id

TENANTS = [new_id() for _ in range(110)]
"""More than one page of data keys."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys" / "master.key"


def ring_of(database: Database, path) -> KeyRing:
    """Return the ring of a process that has just been started."""
    return KeyRing(database, FileKeys(path), SystemClock(), path.parent)


async def filled(database: Database, path, tenants: list[str]) -> dict[str, bytes]:
    """Return the keys of tenants, made by a first process."""
    ring = ring_of(database, path)
    await ring.prepare()
    return {tenant: await ring.key(tenant, "secrets") for tenant in tenants}


async def test_the_first_start_makes_a_master_key_that_only_its_owner_can_read(database: Database, path):
    """S114: the file has mode 0600; no key stands in the database; another process finds the same keys."""
    keys = await filled(database, path, TENANTS[:2])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.glob("*.tmp")) == []
    assert len(set(keys.values())) == 2
    other = ring_of(database, path)
    await other.prepare()
    assert await other.key(TENANTS[0], "secrets") == keys[TENANTS[0]]
    assert await other.key(TENANTS[0], "audit") != keys[TENANTS[0]]
    async with database.reading() as session:
        wrapped = (await session.scalars(select(DataKeyRow.wrapped))).all()
    assert all(key not in blob for key in keys.values() for blob in wrapped)


async def test_a_worker_that_comes_first_makes_no_master_key(database: Database, path):
    """It goes on without, and the server that comes after it makes the key."""
    worker = ring_of(database, path.parent / "worker" / "master.key")
    assert not await worker.prepare(begin=False)
    assert not (path.parent / "worker").exists()
    assert await ring_of(database, path).prepare()
    with pytest.raises(MasterKeyMissing):
        await worker.prepare(begin=False)


async def test_processes_that_start_at_once_agree(database: Database, path):
    """Of several first starts, and of several first uses of a key, one wins and all go on with it."""
    rings = [ring_of(database, path) for _ in range(4)]
    await asyncio.gather(*(ring.prepare() for ring in rings))
    assert len(set(await asyncio.gather(*(ring.key(TENANTS[0], "secrets") for ring in rings)))) == 1


async def test_s102_a_wrapped_key_opens_only_in_its_place(database: Database, path):
    """S102: data keys swapped between tenants do not open."""
    await filled(database, path, TENANTS[:2])
    async with database.transaction() as session:
        rows = (await session.scalars(select(DataKeyRow))).all()
        rows[0].wrapped, rows[1].wrapped = rows[1].wrapped, rows[0].wrapped
    with pytest.raises(SealBroken):
        await ring_of(database, path).key(TENANTS[0], "secrets")


@pytest.mark.parametrize("there", [None, "another", "broken", "short"])
async def test_s104_a_wrong_or_missing_master_key_is_never_replaced(database: Database, path, there: str | None):
    """S104: the start is refused, and the file is as it was."""
    await filled(database, path, TENANTS[:1])
    path.unlink()
    text = {"another": to_text(new_key()), "broken": "not base64!", "short": to_text(b"short")}.get(there or "")
    if text is not None:
        path.write_text(text)
    with pytest.raises(MasterKeyMissing if there in (None, "another") else MasterKeyUnreadable) as refused:
        await ring_of(database, path).prepare()
    assert refused.value.hint
    assert (path.read_text() if path.exists() else None) == text
    assert text is None or text not in str(refused.value)


async def test_keys_from_the_environment_are_changed_by_whoever_gives_them(database: Database, path):
    """Without a new key nothing is changed; with one, the old is needed until then and no longer."""
    old, new = to_text(new_key()), to_text(new_key())

    def ring(*texts: str) -> KeyRing:
        return KeyRing(database, EnvironmentKeys(texts), SystemClock(), path.parent)

    first = ring(old)
    await first.prepare()
    key = await first.key(TENANTS[0], "secrets")
    with pytest.raises(NoNewMasterKey):
        await first.rotate()
    both = ring(new, old)
    await both.prepare()
    assert await both.key(TENANTS[0], "secrets") == key
    await both.rotate()
    after = ring(new)
    await after.prepare()
    assert await after.key(TENANTS[0], "secrets") == key
    with pytest.raises(MasterKeyMissing):
        await ring(old).prepare()


async def test_s103_the_master_key_is_changed_under_load(database: Database, path):
    """S103: while it is changed every read of other processes works and new keys are made; the old master key opens nothing afterwards."""
    keys = await filled(database, path, TENANTS)
    old = path.read_text()
    done = asyncio.Event()
    reads, made = 0, {}

    async def read() -> None:
        nonlocal reads
        while not done.is_set():
            ring = ring_of(database, path)  # remembers nothing
            for tenant in TENANTS[::11]:
                assert await ring.key(tenant, "secrets") == keys[tenant]
                reads += 1
            tenant = new_id()
            made[tenant] = await ring.key(tenant, "secrets")

    readers = [asyncio.create_task(read()) for _ in range(2)]
    changer = ring_of(database, path)
    before = (await FileKeys(path).known())[0]
    assert await changer.rotate() != before
    done.set()
    await asyncio.gather(*readers)
    assert reads
    after = ring_of(database, path)
    await after.prepare()
    for tenant, key in {**keys, **made}.items():
        assert await after.key(tenant, "secrets") == key
    async with database.reading() as session:
        assert (await session.scalar(select(func.count()).select_from(MasterKeyRow))) == 1
    path.write_text(old)
    with pytest.raises(MasterKeyMissing):
        await ring_of(database, path).prepare()


class Killed(BaseException):
    """The process dies here; nothing of it runs any further."""


class Death:
    """Kills the process at its n-th write: a write counts twice, before it begins and once it is through."""

    def __init__(self, at: int) -> None:
        self._left = at

    def _write(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed

    def await_in(self, patch: pytest.MonkeyPatch) -> None:
        """Watch the files of keys and the transactions as long as the patch lasts."""
        store, transaction = FileKeys._store, Database.transaction

        def stored(keys: FileKeys, *arguments, **options) -> None:
            self._write()
            store(keys, *arguments, **options)
            self._write()

        @asynccontextmanager
        async def watched(database: Database, *arguments):
            self._write()
            async with transaction(database, *arguments) as session:
                yield session
            self._write()

        patch.setattr(FileKeys, "_store", stored)
        patch.setattr(Database, "transaction", watched)


async def test_s103_a_change_that_is_killed_at_any_write_can_be_taken_up_again(database: Database, path, monkeypatch: pytest.MonkeyPatch):
    """S103: before and after each write of the change, every key can be read by a fresh process, which finishes the change."""
    tenants = TENANTS[:3]
    keys = await filled(database, path, tenants)
    finished, dies_at = False, 0
    while not finished:
        dies_at += 1
        with monkeypatch.context() as patch:
            Death(dies_at).await_in(patch)
            try:
                await ring_of(database, path).rotate()
                finished = True
            except Killed:
                pass
        known_in_between = ring_of(database, path)
        for tenant in tenants:
            assert await known_in_between.key(tenant, "secrets") == keys[tenant]
        await ring_of(database, path).prepare()
        assert len(await FileKeys(path).known()) == 1
        async with database.reading() as session:
            assert (await session.scalars(select(MasterKeyRow.state))).all() == ["current"]
    assert dies_at > 8


def test_what_is_sealed_opens_only_whole_and_in_its_place():
    """A flipped bit, a cut, another key or another place: nothing opens."""
    key = new_key()
    sealed = seal(key, b"plain", b"here")
    assert unseal(key, sealed, b"here") == b"plain"
    assert seal(key, b"plain", b"here") != sealed
    flipped = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for broken, with_key, place in [*((each, key, b"here") for each in flipped), (sealed[:-1], key, b"here"), (b"", key, b"here")]:
        with pytest.raises(SealBroken):
            unseal(with_key, broken, place)
    for with_key, place in ((new_key(), b"here"), (key, b"there")):
        with pytest.raises(SealBroken):
            unseal(with_key, sealed, place)
