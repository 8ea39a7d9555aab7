"""Checkpoints of both tiers read as one: what Redis holds, and below it what the database holds."""

from collections.abc import Iterable

import ormsgpack

from agentflow.infra.db.engine import Database
from agentflow.runtime.checkpoints.codec import RefusedBlob
from agentflow.runtime.checkpoints.hot import HotTier, key_of
from agentflow.runtime.checkpoints.repository import CheckpointRepository, Lineage, Stored

_FIELDS = 3


def field_of(checkpoint_ns: str, checkpoint_id: str) -> bytes:
    """Return the name of a checkpoint in the hash of its thread."""
    return f"{checkpoint_id}|{checkpoint_ns}".encode()


def pack_row(parent_id: str | None, run_id: str | None, body: bytes) -> bytes:
    """Return what the hash holds of a checkpoint."""
    return ormsgpack.packb([parent_id, run_id, body])


def unpack_row(value: bytes) -> tuple[str | None, str | None, bytes]:
    """Return parent, LangGraph run and body.

    Raises:
        RefusedBlob: ``pack_row`` did not make this.
    """
    try:
        row = ormsgpack.unpackb(value)
    except ValueError as error:
        raise RefusedBlob(f"The checkpoint in Redis is damaged: {error}") from error
    if not (isinstance(row, list) and len(row) == _FIELDS and isinstance(row[2], bytes)):
        raise RefusedBlob("The checkpoint in Redis has an unknown format.")
    parent_id, run_id, body = row
    return parent_id, run_id, body


class TieredRepository(CheckpointRepository):
    """Reads the checkpoints of one tenant from Redis and the database; damaged rows in Redis raise ``RefusedBlob``."""

    def __init__(self, database: Database, tenant_id: str, tier: HotTier) -> None:
        super().__init__(database, tenant_id)
        self._tier = tier

    async def hot(self, thread_id: str) -> dict[tuple[str, str], Stored]:
        """Return what Redis holds of a thread, by namespace and id."""
        rows: dict[tuple[str, str], Stored] = {}
        for name, value in (await self._tier.read(key_of(self._tenant_id, thread_id))).items():
            checkpoint_id, _, namespace = name.decode().partition("|")
            parent_id, run_id, body = unpack_row(value)
            rows[namespace, checkpoint_id] = Stored(thread_id, namespace, checkpoint_id, parent_id, body, run_id)
        return rows

    async def has_any(self, thread_id: str) -> bool:
        """Tell whether a thread has a checkpoint in its root namespace."""
        return await super().has_any(thread_id) or any(namespace == "" for namespace, _ in await self.hot(thread_id))

    async def lineage(self, thread_id: str, checkpoint_ns: str, checkpoint_id: str | None) -> tuple[str, Lineage] | None:
        """Return a checkpoint (the newest for None) with its ancestors, or None."""
        hot = {id_: row for (namespace, id_), row in (await self.hot(thread_id)).items() if namespace == checkpoint_ns}
        wanted = checkpoint_id
        if wanted is None:
            wanted = max(hot, default=None)
            below = await super().lineage(thread_id, checkpoint_ns, None)
            if below is not None and (wanted is None or below[0] >= wanted):
                return below
        rows, place = dict[str, Stored](), wanted
        while place in hot and place not in rows:
            rows[place] = hot[place]
            place = hot[place].parent_id
        if place is not None and place not in rows and (found := await super().lineage(thread_id, checkpoint_ns, place)) is not None:
            rows.update(found[1].rows)
        return (wanted, Lineage(rows)) if wanted is not None and rows else None

    async def threads(self) -> list[str]:
        """Return the ids of all threads."""
        return sorted({*await super().threads(), *await self._tier.threads(self._tenant_id)})

    async def thread(self, thread_id: str, checkpoint_ns: str | None) -> dict[str, Lineage]:
        """Return every checkpoint of a thread, by namespace."""
        spaces = {namespace: dict(lineage.rows) for namespace, lineage in (await super().thread(thread_id, checkpoint_ns)).items()}
        for row in self._of((await self.hot(thread_id)).values(), checkpoint_ns):
            spaces.setdefault(row.checkpoint_ns, {}).setdefault(row.checkpoint_id, row)
        return {namespace: Lineage(rows) for namespace, rows in sorted(spaces.items())}

    @staticmethod
    def _of(rows: Iterable[Stored], checkpoint_ns: str | None) -> list[Stored]:
        return [row for row in rows if checkpoint_ns is None or row.checkpoint_ns == checkpoint_ns]
