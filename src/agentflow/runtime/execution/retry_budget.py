"""The retry budget: an outside system that is down gets little more traffic than one that is up."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

DECISIONS = Counter("agentflow_retry_budget_total", "What retry budgets decided: retries granted, delayed, refused.", ["decision"])
REFILL_S = 60.0
"""Seconds in which one retry is given back to a budget without any traffic."""
MAX_BUDGETS = 10_000
_GRANTED, _DELAYED, _REFUSED = (DECISIONS.labels(word) for word in ("granted", "delayed", "refused"))


@dataclass(slots=True)
class _Budget:
    tokens: float
    at: float


class RetryBudgets:
    """One budget for each outside system and tenant, in this process: as each process keeps its share, all together do.

    A first attempt puts ``ratio`` tokens in, a retry takes one out. So retries are at most that share of first attempts, and
    ``reserve`` of them in addition, which come back one a minute.

    Args:
        ratio: retries for each first attempt, in the long run.
        reserve: tokens a budget holds at first, and at most (one at least, or no retry could ever be made).
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, ratio: float, reserve: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._ratio, self._reserve, self._most, self._clock = ratio, float(reserve), max(float(reserve), 1.0), clock
        self._budgets: OrderedDict[tuple[str, str], _Budget] = OrderedDict()

    def first_attempt(self, tenant_id: str, system: str) -> None:
        """Count a first attempt."""
        budget = self._of(tenant_id, system)
        budget.tokens = min(budget.tokens + self._ratio, self._most)

    def withdraw(self, tenant_id: str, system: str, longest_s: float) -> float | None:
        """Take a retry out; returns the seconds until the budget has it, or None when that is longer than ``longest_s``."""
        budget = self._of(tenant_id, system)
        wait_s = max(0.0, (1.0 - budget.tokens) * REFILL_S)
        if wait_s > longest_s:
            _REFUSED.inc()
            return None
        budget.tokens -= 1.0
        (_DELAYED if wait_s else _GRANTED).inc()
        return wait_s

    def _of(self, tenant_id: str, system: str) -> _Budget:
        now = self._clock()
        budget = self._budgets.get((tenant_id, system))
        if budget is None:
            budget = self._budgets[tenant_id, system] = _Budget(self._reserve, now)
            if len(self._budgets) > MAX_BUDGETS:
                self._budgets.popitem(last=False)
        self._budgets.move_to_end((tenant_id, system))
        budget.tokens = min(budget.tokens + (now - budget.at) / REFILL_S, self._most)
        budget.at = now
        return budget
