"""An event loop for simulations: time is a number that jumps to the next timer, threads are calls, and chance has a seed.

A program on it does in milliseconds what takes it minutes, in an order that the seed alone decides.
"""

import asyncio
import selectors
from collections.abc import Callable
from random import Random
from typing import Any

MOST_LATENCY_S = 0.003
"""Longest a call into a "thread" (a database's, mostly) takes to begin, and again to be heard of."""


class Deadlock(RuntimeError):
    """Everything waits and no timer is set: the program would stand still for ever."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        # Nobody outside can have anything for us: the system is not even asked.
        if timeout is None:
            raise Deadlock("every task waits, and there is no timer that could wake one")
        if timeout > 0:
            self.now += max(timeout, 1e-9)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop. ``chance`` decides how long calls into threads take; seed it before a simulation begins."""

    def __init__(self) -> None:
        self._time = _Selector()
        super().__init__(self._time)
        self.chance = Random(0)

    def time(self) -> float:
        return self._time.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call ``func`` a moment later on this thread, and let it be heard of another moment later."""
        future: asyncio.Future[Any] = self.create_future()

        def call() -> None:
            try:
                result, error = func(*args), None
            except Exception as caught:  # noqa: BLE001 - the caller hears of it
                result, error = None, caught
            self.call_later(self.latency(), answer, result, error)

        def answer(result: Any, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.call_later(self.latency(), call)
        return future

    def latency(self) -> float:
        """Return how long the next such moment lasts."""
        return self.chance.uniform(0, MOST_LATENCY_S)
