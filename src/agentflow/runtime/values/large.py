"""Reading large values back: into the hands of an owner, or into answers as far as they may go."""

import asyncio
import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import orjson
import structlog

from agentflow.infra.objects.base import ObjectMissing, ObjectStoreUnavailable
from agentflow.infra.objects.objects import Objects
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.values.references import Reference

log = structlog.get_logger(__name__)

PATIENCE_S = 60.0
"""How long the memory of a run waits for an object store that does not answer."""
_RETRY_S = 1.0

RUN_VALUES = ("inputs", "outputs")
NODE_VALUES = ("input", "output")


class Budget:
    """Bytes of large values that one answer may still hold."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> bool:
        """Tell whether a value of ``size`` bytes still fits, and count it."""
        if size > self.left:
            return False
        self.left -= size
        return True


class LargeValues:
    """The large values of runs. Who asks has been allowed to see the run.

    Args:
        objects: where they lie.
        inline_bytes: how much of them one answer may hold.
    """

    def __init__(self, objects: Objects, inline_bytes: int) -> None:
        self._objects = objects
        self._inline_bytes = inline_bytes

    def budget(self) -> Budget:
        """Return what one answer may hold."""
        return Budget(self._inline_bytes)

    async def recall(self, run: RunRecord, nodes: Iterable[NodeRecord]) -> None:
        """Fill in every large value of a run that is taken up.

        Raises:
            ObjectMissing: one is gone or damaged.
            ObjectStoreUnavailable: the store has not answered for ``PATIENCE_S``.
        """
        deadline = time.monotonic() + PATIENCE_S
        await self._recall(run, RUN_VALUES, deadline)
        for node in nodes:
            await self._recall(node, NODE_VALUES, deadline)

    async def _recall(self, record: RunRecord | NodeRecord, names: Collection[str], deadline: float) -> None:
        while True:
            try:
                await self.fill(record, names)
            except ObjectStoreUnavailable as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("a large value could not be read, will retry", error=error.message)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def fill(self, record: RunRecord | NodeRecord, names: Collection[str], budget: Budget | None = None) -> None:
        """Fill in the named values of a record; those that do not fit into ``budget`` stay None beside their reference.

        Raises:
            ObjectMissing: one is gone or damaged.
            ObjectStoreUnavailable: the store does not answer.
        """
        for name in names:
            reference = getattr(record, f"{name}_ref")
            if reference is not None and getattr(record, name) is None and (budget is None or budget.take(reference["size"])):
                setattr(record, name, await self.get(reference))

    async def get(self, stored: Mapping[str, Any]) -> Any:
        """Return the value that a stored reference names.

        Raises:
            ObjectMissing: it is gone or damaged.
            ObjectStoreUnavailable: the store does not answer.
        """
        reference = Reference(**stored)
        return await asyncio.to_thread(_verified, reference, await self._objects.read(reference.key))


def _verified(reference: Reference, text: bytes) -> Any:
    if hashlib.sha256(text).hexdigest() != reference.sha256:
        raise ObjectMissing(
            f"The stored value {reference.sha256} is damaged: its content is not what was written.",
            hint="Restore the objects from a backup.",
        )
    return orjson.loads(text)


def link(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an answer names a large value that it does not hold."""
    reference = Reference(**stored)
    return {"size": reference.size, "sha256": reference.sha256, "href": f"/api/v1/artifacts/{reference.id}/content"}
