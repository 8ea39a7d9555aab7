"""A group committer that sends large values to the object store first: a row that refers to a value is never there before it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter

from agentflow.errors import StorageFull
from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, GroupCommitter, Guard, GuardCheck, Statement
from agentflow.infra.db.types import Encoded
from agentflow.infra.objects.base import ObjectStoreUnavailable
from agentflow.infra.objects.objects import Objects
from agentflow.kit import json
from agentflow.kit.clock import Clock
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.values.references import Reference, cache_folder, folder, refer
from agentflow.runtime.values.statements import put_artifact

log = structlog.get_logger(__name__)

SPILLED = Counter("agentflow_values_spilled_total", "Large values sent to the object store.")
SPILLED_BYTES = Counter("agentflow_values_spilled_bytes_total", "Bytes of large values sent to the object store.")

PATIENCE_S = 300.0
"""How long a run waits for an object store that does not answer; then its owner gives it up, and it is found again."""
_RETRY_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_REMEMBERED = 1_024
"""Keys that are known to be stored, so that a value that is journalled twice is sent once."""


_ELSEWHERE = Encoded(b"null")


@dataclass(slots=True)
class _Large:
    """A value on its way: the row it belongs to, the column, its run (or the key it is cached under), and its JSON text."""

    row: dict[str, Any]
    column: str
    tenant_id: str
    owner: str
    is_cached: bool
    text: bytes

    @property
    def folder(self) -> str:
        """Where it goes: to its run, or to what it is cached for."""
        return cache_folder(self.tenant_id, self.owner) if self.is_cached else folder(self.tenant_id, self.owner)


class SpillingCommitter(GroupCommitter):
    """Writes batches, their large values elsewhere.

    Inputs and outputs are encoded here instead of when they are bound, so knowing their size costs nothing.

    Args:
        database: where rows go.
        check: see ``GroupCommitter``.
        statements: those whose rows hold inputs and outputs.
        objects: where large values go.
        clock: stamps them.
        limit: bytes of JSON from which on a value is large; 0 keeps all values in their rows.
    """

    def __init__(self, database: Database, check: GuardCheck, statements: Statements, objects: Objects, clock: Clock, limit: int) -> None:
        super().__init__(database, check)
        self._objects = objects
        self._clock = clock
        self._limit = limit
        self._put_artifact = put_artifact(is_sqlite=database.is_sqlite)
        self._columns: dict[Statement, tuple[str, tuple[str, ...]]] = {
            statements.put_node: ("run_id", ("input", "output")),
            statements.add_run: ("id", ("inputs", "outputs")),
            statements.change_run: ("id", ("outputs",)),
            statements.put_cache: ("key", ("output",)),
        }
        self._put_cache = statements.put_cache
        self._sending: set[asyncio.Task[None]] = set()
        self._stored: OrderedDict[str, None] = OrderedDict()

    def submit(self, batch: Batch) -> asyncio.Future[None]:
        """Queue ``batch``; see ``GroupCommitter.submit``.

        The future also raises ``ObjectStoreUnavailable`` or ``StorageFull``; at once for a batch without owner, since a caller waits for
        that, else when the store has not taken the values for ``PATIENCE_S``.
        """
        large = list(self._encode(batch)) if self._limit else []
        if not large:
            return super().submit(batch)
        task = asyncio.get_running_loop().create_task(self._send_first(batch, large))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task

    async def stop(self) -> None:
        """Give up values that cannot be sent, write what is waiting, then stop."""
        for task in tuple(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await super().stop()

    def _encode(self, batch: Batch) -> Iterator[_Large]:
        """Put JSON text in the place of values, and yield those that are large."""
        for statement, (owner, columns) in self._columns.items():
            for row in batch.writes.get(statement, ()):
                for column in columns:
                    value = row[column]
                    if value is None or type(value) is Encoded:
                        continue  # nothing there, or a batch that is sent again
                    text = json.dump_bytes(value)
                    assert isinstance(row, dict)  # noqa: S101 - rows are made for their batch
                    if len(text) > self._limit:
                        yield _Large(row, column, row["tenant_id"], row[owner], statement is self._put_cache, text)
                    else:
                        row[column] = Encoded(text)
                        row[f"{column}_ref"] = None

    async def _send_first(self, batch: Batch, large: list[_Large]) -> None:
        for value in large:
            reference = await self._send(value, batch.guard)
            value.row[value.column] = _ELSEWHERE if value.column == "inputs" else None  # that column is never NULL
            value.row[f"{value.column}_ref"] = reference.stored()
            if not value.is_cached:
                batch.add(self._put_artifact, self._artifact(value, reference))
        await super().submit(batch)

    def _artifact(self, value: _Large, reference: Reference) -> dict[str, Any]:
        return {
            "id": reference.id,
            "tenant_id": value.tenant_id,
            "run_id": value.owner,
            "key": reference.key,
            "name": f"{value.row.get('key', 'run')}.{value.column}.json",
            "content_type": "application/json",
            "size": reference.size,
            "sha256": reference.sha256,
            "created_at": self._clock.now(),
        }

    async def _send(self, value: _Large, guard: Guard | None) -> Reference:
        reference = await asyncio.to_thread(refer, value.folder, value.text)
        # What is cached may have been cleared away since, for nothing but a row of the cache holds it.
        if value.is_cached or reference.key not in self._stored:
            await self._put(reference.key, value.text, PATIENCE_S if guard is not None else 0)
            SPILLED.inc()
            SPILLED_BYTES.inc(reference.size)
            self._remember(reference.key)
        return reference

    async def _put(self, key: str, text: bytes, patience_s: float) -> None:
        deadline, tries = time.monotonic() + patience_s, 0
        while True:
            try:
                await self._objects.put(key, text)
            except (ObjectStoreUnavailable, StorageFull) as error:
                wait_s = _RETRY_S[min(tries, len(_RETRY_S) - 1)]
                if time.monotonic() + wait_s > deadline:
                    raise
                log.warning("a large value could not be stored, will retry", key=key, error=error.message, wait_s=wait_s)
                tries += 1
                await asyncio.sleep(wait_s)
            else:
                return

    def _remember(self, key: str) -> None:
        self._stored[key] = None
        if len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)
