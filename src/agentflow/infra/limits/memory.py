"""Token buckets of one process."""

import heapq
import itertools
import time
from collections.abc import Callable, Collection, Sequence

from agentflow.infra.limits.base import SLACK, Ask, Line, Turn

PRUNE_FROM = 1_000
"""Lines kept before those that are full and empty of people are forgotten; the bound doubles with what is in use."""


class MemoryBuckets:
    """Fulfils ``Buckets`` for everybody who shares this object.

    Args:
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: dict[str, _State] = {}
        self._prune_at = PRUNE_FROM

    def __len__(self) -> int:
        """Return how many lines are remembered."""
        return len(self._lines)

    async def turn(self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask]) -> Turn:
        """Line up, leave, pass; see ``Buckets.turn``."""
        state = self._lines.get(line.key)
        if state is None:
            state, new = self._open(line), list(everyone)
        state.refill(line, self._clock())
        for ticket in leaving:
            state.leave(ticket)
        for ask in new:
            state.line_up(line, owner, ask)
        next_s, reason = state.let_pass(line)
        return Turn(state.granted.pop(owner, []), next_s, reason, state.backlog_s(line))

    async def adjust(self, line: Line, amounts: Sequence[float]) -> None:
        """Settle an estimate; see ``Buckets.adjust``."""
        state = self._lines.get(line.key) or self._open(line)
        state.refill(line, self._clock())
        state.levels = [min(b.capacity, level + amount) for b, level, amount in zip(line.buckets, state.levels, amounts, strict=True)]

    def _open(self, line: Line) -> "_State":
        if len(self._lines) >= self._prune_at:
            now = self._clock()
            self._lines = {key: state for key, state in self._lines.items() if not state.is_idle(now)}
            self._prune_at = max(PRUNE_FROM, 2 * len(self._lines))
        state = self._lines[line.key] = _State(line, self._clock())
        return state


class _State:
    """One line: its levels, and who waits in which order.

    The order is that of self-clocked fair queueing: an ask is tagged with the virtual time at which it would be through if its lane had
    its share, and the lowest tag is served first.
    """

    def __init__(self, line: Line, now: float) -> None:
        self.levels = [bucket.capacity for bucket in line.buckets]
        self.granted: dict[str, list[str]] = {}
        self._at = now
        self._full_at = now
        self._virtual = 0.0
        self._last_tag: dict[str, float] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._waiting: dict[str, tuple[str, Ask]] = {}
        self._asked = [0.0] * len(line.buckets)
        self._order = itertools.count()

    def refill(self, line: Line, now: float) -> None:
        elapsed, self._at = max(now - self._at, 0.0), max(now, self._at)
        self.levels = [min(b.capacity, level + elapsed * b.rate) for b, level in zip(line.buckets, self.levels, strict=True)]
        self._full_at = now + max((b.capacity - level) / b.rate for b, level in zip(line.buckets, self.levels, strict=True))

    def is_idle(self, now: float) -> bool:
        return not self._waiting and not self.granted and now >= self._full_at

    def line_up(self, line: Line, owner: str, ask: Ask) -> None:
        work_s = max(cost / bucket.rate for cost, bucket in zip(ask.costs, line.buckets, strict=True))
        tag = max(self._virtual, self._last_tag.get(ask.lane, 0.0)) + work_s / ask.weight
        self._last_tag[ask.lane] = tag
        self._waiting[ask.ticket] = owner, ask
        self._asked = [total + cost for total, cost in zip(self._asked, ask.costs, strict=True)]
        heapq.heappush(self._heap, (tag, next(self._order), ask.ticket))

    def leave(self, ticket: str) -> None:
        if ticket in self._waiting:
            _, ask = self._waiting.pop(ticket)
            self._asked = [total - cost for total, cost in zip(self._asked, ask.costs, strict=True)]

    def let_pass(self, line: Line) -> tuple[float, str | None]:
        """Let the foremost pass as long as there are tokens; return the seconds until the next can, and what holds it up."""
        while self._heap:
            tag, _, ticket = self._heap[0]
            if ticket in self._waiting:
                owner, ask = self._waiting[ticket]
                held_s, reason = self._held_up(line, ask)
                if held_s > 0:
                    return held_s, reason
                self.levels = [level - cost for level, cost in zip(self.levels, ask.costs, strict=True)]
                self._virtual = max(self._virtual, tag)
                self.leave(ticket)
                self.granted.setdefault(owner, []).append(ticket)
            heapq.heappop(self._heap)
        return 0.0, None

    def _held_up(self, line: Line, ask: Ask) -> tuple[float, str | None]:
        worst: tuple[float, str | None] = (0.0, None)
        for bucket, level, cost in zip(line.buckets, self.levels, ask.costs, strict=True):
            missing = min(cost, bucket.capacity) - level
            if cost > 0 and missing > SLACK:
                worst = max(worst, (missing / bucket.rate, bucket.name), key=lambda held: held[0])
        return worst

    def backlog_s(self, line: Line) -> float:
        if not self._waiting:
            self._asked = [0.0] * len(line.buckets)  # sums of floats drift
            return 0.0
        return max((total - level) / bucket.rate for bucket, level, total in zip(line.buckets, self.levels, self._asked, strict=True))
