"""What happens while the Redis that holds the limits is away: when it is tried again, and how that shows."""

from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge

log = structlog.get_logger(__name__)

OUTAGES = Counter("agentflow_limits_outages_total", "Times Redis went away and this process went on with limits of its own.")
IS_SHARED = Gauge("agentflow_limits_shared", "1 while limits hold over all processes, 0 while Redis is away and each process has its own.")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
"""Seconds until Redis is tried again, doubling from the first to the longest."""
SAME_S = 60.0
"""Seconds after an outage within which another one is its continuation: as long as a limit of requests looks back."""


class Outage:
    """Knows whether Redis answers.

    Args:
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._away_until: float | None = None
        self._answered_at: float | None = None
        self._wait_s = FIRST_WAIT_S
        self.errors = 0
        """Answers that did not come, ever."""
        IS_SHARED.set(1)

    @property
    def is_on(self) -> bool:
        """Whether the last answer did not come."""
        return self._away_until is not None

    def may_try(self) -> bool:
        """Tell whether Redis is to be asked."""
        return self._away_until is None or self._clock() >= self._away_until

    def lost(self, error: Exception) -> bool:
        """Note that an answer did not come; tells whether that begins an outage.

        Of a cluster some nodes may answer while others are away: what follows on an answer so soon is the same outage. Who began to count
        anew each time would let everything pass.
        """
        self.errors += 1
        now = self._clock()
        if self._away_until is not None:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        else:
            IS_SHARED.set(0)
            self._wait_s = FIRST_WAIT_S
        begins = self._away_until is None and (self._answered_at is None or now - self._answered_at > SAME_S)
        if begins:
            log.warning("redis is away: each process now keeps limits of its own", error=str(error))
            OUTAGES.inc()
        self._away_until = now + self._wait_s
        return begins

    def answered(self) -> None:
        """Note that an answer came."""
        if self._away_until is not None:
            log.info("redis is back: limits hold over all processes again")
            IS_SHARED.set(1)
            self._away_until = None
            self._answered_at = self._clock()
