"""Writing down what was refused: behind the answer, many in one transaction, and so many a second at most.

Whoever asks for what he may not have must neither make others wait nor be able to fill the disk. Of one account, and of all strangers
together, ten refusals a second are written one by one, a hundred at once at first; what goes beyond is counted, and the count is written.
A process that is killed loses those of its last half second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agentflow.errors import AgentFlowError
from agentflow.infra.audit.trail import DENIED, Actor, Deed, Trail
from agentflow.kit.clock import Clock
from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

FLUSH_S = 0.5
"""Seconds between two looks for what is to be written."""
COUNT_S = 10.0
"""Seconds after which what was only counted is written, too."""
PER_S, BURST = 10.0, 100.0
"""Refusals written one by one: of one account, or of all strangers together."""
PER_S_OF_ALL, BURST_OF_ALL = 100.0, 1_000.0
"""Likewise, of everybody."""
_WAITING = 5_000
"""Most refusals kept for a database that is away."""
_SOURCES = 10_000


@dataclass(slots=True)
class _Bucket:
    """How many may still be written one by one."""

    per_s: float
    burst: float
    filled: float
    tokens: float

    def take(self, now: float) -> bool:
        self.tokens, self.filled = min(self.burst, self.tokens + (now - self.filled) * self.per_s), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class _Source:
    """One account, or all strangers: what of theirs was left out since when, and the last of that."""

    bucket: _Bucket
    left_out: int = 0
    since: float = 0.0
    last: Mapping[str, Any] = field(default_factory=dict)

    def leave_out(self, now: float, facts: Mapping[str, Any]) -> None:
        self.since = self.since if self.left_out else now
        self.left_out += 1
        self.last = facts

    def summary(self) -> Mapping[str, Any]:
        """Return the last that was left out, saying how many there were; they are not left out any more."""
        count, self.left_out = self.left_out, 0
        return {**self.last, "details": {**self.last["details"], "times": count}}


class Denials:
    """The refusals of one process.

    Args:
        trail: writes records.
        clock: the time.
    """

    def __init__(self, trail: Trail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._of_all = _Bucket(PER_S_OF_ALL, BURST_OF_ALL, clock.monotonic(), BURST_OF_ALL)
        self._sources: OrderedDict[tuple[str, str], _Source] = OrderedDict()
        self._waiting: list[Mapping[str, Any]] = []
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def note(self, actor: Actor, deed: Deed) -> None:
        """Take note of a refusal of the request under way; it is written soon."""
        now, facts = self._clock.monotonic(), self._trail.facts_of(actor, deed, DENIED)
        source = self._source((actor.tenant_id, actor.user_id), now)
        if len(self._waiting) < _WAITING and source.bucket.take(now) and self._of_all.take(now):
            self._waiting.append(facts)
        else:
            source.leave_out(now, facts)

    def _source(self, key: tuple[str, str], now: float) -> _Source:
        if key not in self._sources:
            self._sources[key] = _Source(_Bucket(PER_S, BURST, now, BURST))
            if len(self._sources) > _SOURCES:
                _, oldest = self._sources.popitem(last=False)
                if oldest.left_out:
                    self._waiting.append(oldest.summary())
        self._sources.move_to_end(key)
        return self._sources[key]

    async def flush(self) -> None:
        """Write everything that was noted, also what was only counted; a database that does not take it now is asked again later."""
        await self._write(counted_before=float("inf"))

    async def _write(self, counted_before: float) -> None:
        async with self._writing:
            counted = [source for source in self._sources.values() if source.left_out and source.since < counted_before]
            self._waiting += [source.summary() for source in counted]
            facts, self._waiting = self._waiting, []
            if not facts:
                return
            try:
                await self._trail.put(facts)
            except asyncio.CancelledError:
                self._waiting = [*facts, *self._waiting]  # whoever stops this writes them, and twice is once
                raise
            except (SQLAlchemyError, OSError, TimeoutError, AgentFlowError) as error:
                self._waiting = [*facts, *self._waiting][: 2 * _WAITING]
                log.warning("refusals could not be written into the audit log, will try again", count=len(facts), error=str(error))

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._periodically(), name="audit-denials")

    async def stop(self) -> None:
        """Write what is there, and stop."""
        if self._task is not None:
            await ended(self._task)
            await self.flush()

    async def _periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._write(counted_before=self._clock.monotonic() - COUNT_S)
