"""Refusing what cannot be done in time, before it costs anything: bounds on starts under way, on lag, and on what waits."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from agentflow.config.settings import Settings
from agentflow.errors import RateLimited, Unavailable
from agentflow.kit.interpreter import switch_often
from agentflow.kit.tasks import ended
from agentflow.runtime.queue.backlog import Backlog

log = structlog.get_logger(__name__)

TICK_S = 0.05
TICKS = 8
"""Ticks over which the lag is taken; the worst of them is left out, for one long step is no overload."""
MIN_STARTS = 32
"""Starts at a time that are worked on however slow they are."""
MORE_STARTS = 2
"""How many more are worked on after a window in which some were refused and none took too long."""
WINDOW_TICKS = 5
"""Ticks over which the latency of starts is taken."""
SLOW_WINDOWS = 6
"""Slow windows that are no burst any more; those in which the starts under way got clearly fewer do not count."""
COUNT_S = 2.0
"""Seconds between two counts of what waits, and at least twenty times what a count takes."""
RETRY_S, LONGEST_RETRY_S = 1.0, 10.0
FULL_RETRY_S = 5.0

SHED = Counter("agentflow_runs_shed_total", "Starts of runs that were refused, by the bound that they passed.", ["bound"])
STARTS = Gauge("agentflow_starts_allowed", "Starts that this process works on at a time before it refuses more.")


class Overloaded(Unavailable):
    """The server has more to do than it can do in time; nothing was begun, and trying again later makes sense."""

    code, title = "OVERLOADED", "Overloaded"


class QueueFull(RateLimited):
    """So many runs of the tenant wait for a worker that no more are accepted."""

    code, title = "QUEUE_FULL", "Too many runs are waiting"


class Start:
    """One start under way, from the first byte of its request to the commit of its run."""

    def __init__(self, overload: "Overload") -> None:
        self._overload: Overload | None = overload
        self._begun = time.monotonic()

    def enter(self) -> None:
        """Make this the start that the current task works on."""
        _CURRENT.set(self)

    def end(self) -> None:
        """Make room for the next; ending twice is ending once."""
        if self._overload is not None:
            self._overload.ended(time.monotonic() - self._begun)
            self._overload = None


_CURRENT: ContextVar[Start | None] = ContextVar("start", default=None)


class Overload:
    """Decides what is refused. Deciding takes microseconds and touches no disk.

    Runs that were accepted here and have not begun count as starts under way: what comes faster than it can be begun is refused before
    that takes long. The number of starts at a time follows how long they take, too: it shrinks while they go on taking longer than
    ``max_start_latency_s`` and grows again when they do not. The lag of the event loop guards against work that is not starts: from half
    of ``max_event_loop_lag_s`` on a growing share is refused, at the whole of it everything.

    Args:
        settings: the bounds.
        backlog: counts what waits in the database.
        unbegun: tells how many accepted runs wait in this process.
    """

    def __init__(self, settings: Settings, backlog: Backlog, unbegun: Callable[[], int]) -> None:
        self._settings = settings
        self._backlog = backlog
        self._unbegun = unbegun
        self._under_way = self._under_way_before = 0
        self._allowed = float(settings.max_concurrent_starts)
        self._took_s = 0.0
        self._took = 0
        self._slow_windows = 0
        self._is_full = False
        self._refuses = False
        self._late: deque[float] = deque(maxlen=TICKS)
        self._owed = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to measure."""
        self._tasks = [asyncio.create_task(self._measure(), name="lag"), asyncio.create_task(self._count(), name="backlog")]

    async def stop(self) -> None:
        """Stop measuring."""
        switch_often(False)
        await ended(*self._tasks)

    @property
    def lag_s(self) -> float:
        """Seconds by which the event loop is behind, on average."""
        return 0.0 if len(self._late) < TICKS else (sum(self._late) - max(self._late)) / (TICKS - 1)

    def begin(self) -> Start:
        """Count a start that has come in.

        Raises:
            Overloaded: there is too much to do.
        """
        if (under_way := self._under_way + self._unbegun()) >= self._allowed:
            self._is_full = True
            raise self._refused("starts", f"{under_way} other starts are under way")
        self._owed += self._excess()
        if self._owed >= 1.0:
            self._owed -= 1.0
            raise self._refused("lag", f"the server is {self.lag_s:.2f} s behind")
        self._check_total()
        return self.admit()

    def admit(self) -> Start:
        """Count a start that must not be refused yet: it may repeat one that was accepted."""
        self._under_way += 1
        return Start(self)

    def check(self, tenant_id: str) -> None:
        """Let a run that is new into the queue.

        Raises:
            QueueFull: too many runs of the tenant wait.
            Overloaded: too many runs of all tenants wait, or the event loop is too far behind.
        """
        most = self._settings.max_queued_runs_per_tenant
        if self._backlog.of(tenant_id) >= most:
            SHED.labels("tenant").inc()
            raise QueueFull(
                f"{most} of your runs wait for a worker already (setting max_queued_runs_per_tenant).",
                hint="Start more when some of them have ended, or add workers.",
                retry_after_s=FULL_RETRY_S,
                limit=most,
            )
        self._check_total()
        if self._excess() >= 1.0:
            raise self._refused("lag", f"the server is {self.lag_s:.2f} s behind")

    def waiting(self, tenant_id: str) -> int:
        """Return how many runs of a tenant wait for a worker, as far as this process knows."""
        return self._backlog.of(tenant_id)

    def accepted(self, tenant_id: str, *, queued: bool) -> None:
        """Note that a run was committed, and whether it waits in the queue; its start is over."""
        if queued:
            self._backlog.accept(tenant_id)
        start = _CURRENT.get()
        if start is not None:
            start.end()

    def ended(self, took_s: float) -> None:
        """Note that a start is over."""
        self._under_way -= 1
        self._took_s += took_s
        self._took += 1

    def _check_total(self) -> None:
        if self._backlog.total >= self._settings.max_queued_runs:
            raise self._refused("queue", f"{self._backlog.total} runs wait for a worker", FULL_RETRY_S)

    def _excess(self) -> float:
        """Return the share of starts to refuse, from 0 to 1."""
        most = self._settings.max_event_loop_lag_s
        return min(max(2.0 * self.lag_s / most - 1.0, 0.0), 1.0)

    def _refused(self, bound: str, why: str, retry_s: float | None = None) -> Overloaded:
        self._refuses = True
        SHED.labels(bound).inc()
        if retry_s is None:
            retry_s = min(RETRY_S + 10 * self.lag_s, LONGEST_RETRY_S)
        hint = "Nothing was begun: send the request again after the seconds that Retry-After names."
        return Overloaded(f"No run can be started now: {why}.", hint=hint, retry_after_s=retry_s)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(WINDOW_TICKS):
                due = loop.time() + TICK_S
                await asyncio.sleep(TICK_S)
                self._late.append(max(loop.time() - due, 0.0))
            self._adapt()

    def _adapt(self) -> None:
        """Follow how long starts take: back off quickly, come back slowly."""
        most = self._settings.max_concurrent_starts
        is_slow = self._took > 0 and self._took_s / self._took > self._settings.max_start_latency_s
        if not is_slow:
            self._slow_windows = 0
        elif self._under_way > 0.9 * self._under_way_before:
            self._slow_windows += 1
        self._under_way_before = self._under_way
        if self._slow_windows > SLOW_WINDOWS:
            self._allowed = max(0.6 * min(self._allowed, self._under_way), min(MIN_STARTS, most))
        elif not is_slow:
            # Starts that are refused say nothing about how long they would have taken: as long as there are any, try only a few more.
            self._allowed = min(self._allowed + MORE_STARTS if self._is_full else 1.25 * self._allowed, most)
        switch_often(self._refuses or is_slow)
        self._took_s, self._took, self._is_full, self._refuses = 0.0, 0, False, False
        STARTS.set(self._allowed)

    async def _count(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                await self._backlog.count()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("the waiting runs could not be counted", error=str(error))
            await asyncio.sleep(max(COUNT_S, 20 * (time.monotonic() - begin)))
