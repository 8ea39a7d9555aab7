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
from agentflow.runtime.runs.crowd import Crowd

log = structlog.get_logger(__name__)

TICK_S = 0.05
"""Seconds between two looks at the event loop and at how many starts were done."""
TICKS = 8
"""Ticks over which the lag is taken; the worst of them is left out, for one long step is no overload."""
REFUSED_S = 1.0
"""Seconds for which a refusal counts as one of just now: whoever was refused comes back then."""
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
        self._is_whole = False

    def enter(self) -> None:
        """Make this the start that the current task works on."""
        _CURRENT.set(self)

    def arrived(self) -> None:
        """Note that the whole request is there: from now on it waits for this process, not for its sender."""
        if self._overload is not None and not self._is_whole:
            self._is_whole = True
            self._overload.arrived()

    def end(self) -> None:
        """Make room for the next; ending twice is ending once."""
        if self._overload is not None:
            self._overload.ended(is_whole=self._is_whole)
            self._overload = None


_CURRENT: ContextVar[Start | None] = ContextVar("start", default=None)


class Overload:
    """Decides what is refused. Deciding takes microseconds and touches no disk.

    Runs that were accepted here and have not begun count as starts under way: what comes faster than it can be begun is refused before
    that takes long. A burst of them is let in; when they go on coming faster than they are done, those are refused that would take longer
    than ``max_start_latency_s`` (``Crowd``). The lag of the event loop guards against work that is not starts: from half of
    ``max_event_loop_lag_s`` on a growing share is refused, at the whole of it everything.

    Args:
        settings: the bounds.
        backlog: counts what waits in the database.
        unbegun: tells how many accepted runs wait in this process.
    """

    def __init__(self, settings: Settings, backlog: Backlog, unbegun: Callable[[], int]) -> None:
        self._settings = settings
        self._backlog = backlog
        self._unbegun = unbegun
        self._crowd = Crowd(settings.max_start_latency_s, settings.max_concurrent_starts)
        self._under_way = self._at_work = self._done = 0
        self._refused_at = -REFUSED_S
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
        if (under_way := self._under_way + self._unbegun()) >= self._settings.max_concurrent_starts:
            raise self._refused("starts", f"{under_way} other starts are under way")
        if self._crowd.refuses(self._at_work):
            raise self._refused("pace", f"{self._at_work} other starts came first, which takes too long already")
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

    def arrived(self) -> None:
        """Note that the request of a start is complete."""
        self._at_work += 1

    def ended(self, *, is_whole: bool) -> None:
        """Note that a start is over, whose request was complete or not."""
        self._under_way -= 1
        if is_whole:
            self._at_work -= 1
            self._done += 1

    def _check_total(self) -> None:
        if self._backlog.total >= self._settings.max_queued_runs:
            raise self._refused("queue", f"{self._backlog.total} runs wait for a worker", FULL_RETRY_S)

    def _excess(self) -> float:
        """Return the share of starts to refuse, from 0 to 1."""
        most = self._settings.max_event_loop_lag_s
        return min(max(2.0 * self.lag_s / most - 1.0, 0.0), 1.0)

    def _refused(self, bound: str, why: str, retry_s: float | None = None) -> Overloaded:
        self._refused_at = time.monotonic()
        SHED.labels(bound).inc()
        if retry_s is None:
            retry_s = min(RETRY_S + 10 * self.lag_s, LONGEST_RETRY_S)
        hint = "Nothing was begun: send the request again after the seconds that Retry-After names."
        return Overloaded(f"No run can be started now: {why}.", hint=hint, retry_after_s=retry_s)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = loop.time()
            self._tick(now - last)
            last = now

    def _tick(self, elapsed_s: float) -> None:
        """Take in what happened since the last tick."""
        self._late.append(max(elapsed_s - TICK_S, 0.0))
        refused = time.monotonic() - self._refused_at < REFUSED_S
        self._crowd.tick(self._at_work, self._done, elapsed_s, refused=refused)
        self._done = 0
        switch_often(refused or self._crowd.is_behind)
        STARTS.set(self._crowd.allowed)

    async def _count(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                await self._backlog.count()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("the waiting runs could not be counted", error=str(error))
            await asyncio.sleep(max(COUNT_S, 20 * (time.monotonic() - begin)))
