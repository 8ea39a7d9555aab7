"""Whether what the process depends on answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agentflow.errors import AgentFlowError

TIMEOUT_S = 2.0


@dataclass(slots=True)
class Check:
    """How to look at one dependency.

    Attributes:
        name: the dependency, as shown.
        probe: returns when it answers, raises when it does not.
        required: whether requests cannot be served without it; what is slower or coarser without it is not.
    """

    name: str
    probe: Callable[[], Awaitable[object]]
    required: bool = True
    _asking: "asyncio.Task[tuple[str | None, float]] | None" = field(default=None, init=False, repr=False)

    async def ask(self) -> "Finding":
        """Look for at most ``TIMEOUT_S`` seconds.

        A probe that hangs is not cancelled, for a driver in trouble may not let go of it: it is left behind, and whoever asks next waits
        for the same one, so that a dependency that hangs holds one task whoever asks and how often.
        """
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name=f"health-{self.name}")
            self._asking.add_done_callback(self._answered)
        asking, began = self._asking, time.perf_counter()
        done, _ = await asyncio.wait([asking], timeout=TIMEOUT_S)
        if not done:
            return Finding(
                self.name,
                ok=False,
                latency_ms=_ms(time.perf_counter() - began),
                error=f"no answer within {TIMEOUT_S:g} s",
                required=self.required,
            )
        error, took_s = asking.result()
        return Finding(self.name, error is None, _ms(took_s), error, self.required)

    async def _ask(self) -> tuple[str | None, float]:
        began, error = time.perf_counter(), None
        try:
            await self.probe()
        except Exception as failure:  # noqa: BLE001 - whatever the driver says is the finding
            # Messages of drivers may hold addresses and names of users: the kind of failure is enough for a probe, the log has the rest.
            error = failure.code if isinstance(failure, AgentFlowError) else type(failure).__name__
        return error, time.perf_counter() - began

    def _answered(self, _task: object) -> None:
        self._asking = None

    async def close(self) -> None:
        """Give up a probe that hangs."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking], timeout=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        name: the dependency.
        ok: whether it answered.
        latency_ms: how long it took, in milliseconds.
        error: what went wrong, or None.
        required: whether requests cannot be served without it.
    """

    name: str
    ok: bool
    latency_ms: float
    error: str | None = None
    required: bool = True


async def examine(checks: Sequence[Check]) -> list[Finding]:
    """Look at every dependency at the same time, each for at most ``TIMEOUT_S`` seconds."""
    return list(await asyncio.gather(*(check.ask() for check in checks)))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
