"""Whether what the process depends on answers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """How to look at one dependency.

    Attributes:
        name: the dependency, as shown.
        probe: returns when it answers, raises when it does not.
    """

    name: str
    probe: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        name: the dependency.
        ok: whether it answered.
        latency_ms: how long it took, in milliseconds.
        error: what went wrong, or None.
    """

    name: str
    ok: bool
    latency_ms: float
    error: str | None = None


async def examine(checks: Sequence[Check]) -> list[Finding]:
    """Look at every dependency at the same time, each for at most ``TIMEOUT_S`` seconds."""
    return list(await asyncio.gather(*(_examine(check) for check in checks)))


async def _examine(check: Check) -> Finding:
    started = time.perf_counter()
    error: str | None = None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await check.probe()
    except TimeoutError:
        error = f"no answer within {TIMEOUT_S:g} s"
    except Exception as failure:  # noqa: BLE001 - whatever the driver says is the finding
        # Messages of drivers may hold addresses and names of users: the kind of failure is enough for a probe, the log has the rest.
        error = type(failure).__name__
    return Finding(check.name, error is None, round((time.perf_counter() - started) * 1000, 2), error)
