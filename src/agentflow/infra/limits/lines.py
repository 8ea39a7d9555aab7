"""Waiting in lines: one task per line looks after everybody of this process who waits there."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agentflow.infra.limits.base import Ask, Buckets, Line
from agentflow.kit.ids import new_id
from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

LONGEST_SLEEP_S = 1.0
"""Seconds between two looks at a line with waiting people; shorter than the patience of the buckets."""
SHORTEST_SLEEP_S = 0.002
"""Seconds that looks are apart at least, so that a fast line is served in groups."""
CLOSING_S = 1.0

OnWait = Callable[[float, str | None], None]
"""Told once when somebody has to wait: roughly how many seconds, and which bucket holds the line up."""


class Lines:
    """All lines of this process.

    Args:
        buckets: where the levels are kept.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._owner = new_id()
        self._open: dict[str, _Keeper] = {}
        self._settling: set[asyncio.Task[None]] = set()

    async def enter(self, line: Line, lane: str, weight: float, costs: Sequence[float], on_wait: OnWait) -> float:
        """Wait until it is one's turn; returns the seconds waited. Whoever is cancelled leaves the line, and takes no tokens along."""
        keeper = self._open.get(line.key)
        if keeper is None:
            keeper = self._open[line.key] = _Keeper(line, self._owner, self, self._buckets)
        keeper.line = line
        return await keeper.wait(Ask(new_id(), lane, weight, tuple(costs)), on_wait)

    @property
    def waiting(self) -> int:
        """How many wait, over all lines."""
        return sum(keeper.waiting for keeper in self._open.values())

    def settle(self, line: Line, amounts: Sequence[float]) -> None:
        """Put tokens back (more than 0) or take more (less than 0), in the background."""
        if any(amounts):
            task = asyncio.get_running_loop().create_task(self._settle(line, tuple(amounts)))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle(self, line: Line, amounts: Sequence[float]) -> None:
        await self._buckets.adjust(line, amounts)
        keeper = self._open.get(line.key)
        if keeper is not None:
            keeper.look()

    def closed(self, key: str) -> None:
        """Forget a line in which nobody waits."""
        self._open.pop(key, None)

    async def close(self) -> None:
        """Let those who left be told to the buckets; whoever still waits is forgotten."""
        tasks = [*self._settling, *(keeper.task for keeper in self._open.values())]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSING_S)
            await ended(*late)


@dataclass(slots=True, eq=False)
class _Waiter:
    ask: Ask
    passed: asyncio.Future[None]
    on_wait: OnWait


class _Keeper:
    """One line while somebody of this process waits in it."""

    def __init__(self, line: Line, owner: str, lines: Lines, buckets: Buckets) -> None:
        self.line = line
        self._owner, self._lines, self._buckets = owner, lines, buckets
        self._waiters: dict[str, _Waiter] = {}
        self._new: list[Ask] = []
        self._told: dict[str, Ask] = {}
        """What the buckets were told of and have not granted."""
        self._left: dict[str, Ask] = {}
        """What they were told of and nobody waits for any more."""
        self._looked = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._keep(), name=f"line {line.key}")

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def look(self) -> None:
        """Look at the line now."""
        self._looked.set()

    async def wait(self, ask: Ask, on_wait: OnWait) -> float:
        begin = time.monotonic()
        waiter = self._waiters[ask.ticket] = _Waiter(ask, asyncio.get_running_loop().create_future(), on_wait)
        self._new.append(ask)
        self.look()
        try:
            await waiter.passed
        except asyncio.CancelledError:
            self._leave(ask)
            raise
        return time.monotonic() - begin

    def _leave(self, ask: Ask) -> None:
        if self._waiters.pop(ask.ticket, None) is None:
            # It was let pass in the same moment, and nobody will do what was counted.
            self._lines.settle(self.line, ask.costs)
        elif self._told.pop(ask.ticket, None) is None:
            self._new.remove(ask)
        else:
            self._left[ask.ticket] = ask
            self.look()

    async def _keep(self) -> None:
        try:
            while self._waiters or self._left:
                next_s = await self._turn()
                if self._waiters:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(max(next_s, SHORTEST_SLEEP_S), LONGEST_SLEEP_S)):
                            await self._looked.wait()
        except Exception as error:
            log.exception("a line broke down", line=self.line.key)
            for waiter in self._waiters.values():
                if not waiter.passed.done():
                    waiter.passed.set_exception(error)
            self._waiters.clear()
        finally:
            self._lines.closed(self.line.key)

    async def _turn(self) -> float:
        """Tell the buckets what is new and let pass whom they grant; returns the seconds until that can change."""
        self._looked.clear()
        new, self._new = self._new, []
        left, self._left = self._left, {}
        self._told.update((ask.ticket, ask) for ask in new)
        turn = await self._buckets.turn(self.line, self._owner, new, list(left), self._told.values())
        for ticket in turn.granted:
            self._told.pop(ticket, None)
            waiter = self._waiters.pop(ticket, None)
            if waiter is not None:
                if not waiter.passed.done():  # or it was cancelled a moment ago, and gives back what it was granted
                    waiter.passed.set_result(None)
            elif (ask := left.get(ticket) or self._left.pop(ticket, None)) is not None:
                self._lines.settle(self.line, ask.costs)
        for ask in new:
            waiting = self._waiters.get(ask.ticket)
            if waiting is not None and not waiting.passed.done():
                waiting.on_wait(turn.backlog_s, turn.reason)
        return turn.next_s
