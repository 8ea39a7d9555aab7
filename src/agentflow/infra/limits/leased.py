"""Requests a minute over all processes: tokens are leased from Redis in small lots, so that few requests wait for it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.asyncio import RedisCluster

from agentflow.infra.limits import scripts
from agentflow.infra.limits.outage import Outage
from agentflow.infra.limits.rates import SLACK_S, WINDOW_S, Claim, LocalRates, Rate, Standing

if TYPE_CHECKING:
    from agentflow.infra.redis import RedisClient

LEASE_S = 5.0
"""Seconds after which tokens that a process did not use are given up; they flow in again at the rate."""
LARGEST_SHARE = 250
"""A lot is at most this part of a quota (and one at least): what one process has in hand others cannot have."""
MOST = 50_000
"""Buckets of which a process holds lots; beyond it the longest known are given up."""


@dataclass(slots=True)
class _Lease:
    """What this process has of one bucket.

    Attributes:
        lot: tokens to ask for the next time: doubles while lots are used up in time, so that a trickle takes one by one.
        left: tokens in hand.
        until: when they are given up.
        there: tokens that were left in the bucket itself.
        full_at: when the bucket will be full.
        none_until: until when there is no token to be had.
    """

    lot: int = 1
    left: int = 0
    until: float = 0.0
    there: int = 0
    full_at: float = 0.0
    none_until: float = 0.0


class LeasedRates:
    """Fulfils ``Rates`` in one Redis or Valkey server; while that is away, by buckets of this process alone.

    No token is made here: all processes together grant what the one bucket grants. Nothing raises.

    Args:
        redis: an open client, of one server or a cluster, that sends nothing twice by itself.
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, redis: "RedisClient", clock: Callable[[], float] = time.monotonic) -> None:
        self._take = redis.register_script(scripts.TAKE)
        self._is_spread = isinstance(redis, RedisCluster)
        self._clock = clock
        self._own = LocalRates(clock)
        self._outage = Outage(clock)
        self._leases: dict[str, _Lease] = {}
        self._fetches: dict[str, asyncio.Task[None]] = {}
        self._counting: set[asyncio.Task[Standing]] = set()

    def take_now(self, claims: Sequence[Claim]) -> Standing | None:
        """Take what is in hand; see ``Rates.take_now``."""
        if not self._asks():
            return self._own.take_now(claims)
        now = self._clock()
        if self._missing(claims, now):
            return self._refusal(claims, now)
        tightest: tuple[int, Claim, _Lease] | None = None
        for claim in claims:
            lease = self._leases[claim.key]
            lease.left -= 1
            if lease.left <= lease.lot // 4 and lease.lot > 1 and claim.key not in self._fetches:
                self._fetch([claim])  # before they run out, so that nobody waits
            if tightest is None or lease.there + lease.left < tightest[0]:
                tightest = lease.there + lease.left, claim, lease
        assert tightest is not None  # noqa: S101 - there is a claim at least
        remaining, claim, lease = tightest
        return Standing(claim.rate, remaining, 0.0, max(lease.full_at - now, 0.0))

    async def take(self, claims: Sequence[Claim]) -> Standing:
        """Take; see ``Rates.take``. Those who want of the same bucket at once wait for one answer."""
        while (standing := self.take_now(claims)) is None:
            missing = self._missing(claims, self._clock())
            new = [claim for claim in missing if claim.key not in self._fetches]
            if new:
                self._fetch(new)
            await asyncio.wait({self._fetches[claim.key] for claim in missing if claim.key in self._fetches})
        return standing

    def refusal(self, claims: Sequence[Claim]) -> Standing | None:
        """Look; see ``Rates.refusal``."""
        return self._refusal(claims, self._clock()) if self._asks() else self._own.refusal(claims)

    def count(self, claims: Sequence[Claim]) -> None:
        """Take what there is; see ``Rates.count``."""
        for claim in claims:
            if self.take_now((claim,)) is None:
                task = asyncio.get_running_loop().create_task(self.take((claim,)))
                self._counting.add(task)
                task.add_done_callback(self._counting.discard)

    async def close(self) -> None:
        """Let what was asked be answered."""
        while tasks := {*self._fetches.values(), *self._counting}:
            await asyncio.wait(tasks)

    def _asks(self) -> bool:
        """Tell whether Redis counts; while it is away one request at a time finds out whether it is back."""
        return self._outage.may_try() and not (self._outage.is_on and self._fetches)

    def _missing(self, claims: Sequence[Claim], now: float) -> list[Claim]:
        """Return the claims for which nothing is in hand."""
        return [claim for claim in claims if (lease := self._leases.get(claim.key)) is None or not lease.left or lease.until <= now]

    def _refusal(self, claims: Sequence[Claim], now: float) -> Standing | None:
        for claim in claims:
            lease = self._leases.get(claim.key)
            if lease is not None and lease.none_until > now and not (lease.left and lease.until > now):
                return Standing(claim.rate, 0, lease.none_until - now, max(lease.full_at - now, 0.0))
        return None

    def _fetch(self, claims: Sequence[Claim]) -> None:
        task = asyncio.get_running_loop().create_task(self._lease(claims), name="rates")
        for claim in claims:
            self._fetches[claim.key] = task

    async def _lease(self, claims: Sequence[Claim]) -> None:
        """Lease a lot of each bucket, in one question where one server has them all."""
        try:
            now = self._clock()
            leases = [(claim, self._opened(claim, now)) for claim in claims]
            # The nodes of a cluster have one bucket each, perhaps.
            questions = [[each] for each in leases] if self._is_spread else [leases]
            await asyncio.gather(*(self._ask(question) for question in questions))
            self._outage.answered()
        except Exception as error:  # noqa: BLE001 - nothing raises here: whoever waits asks again, and would do so without an end
            if self._outage.lost(error):
                self._own = LocalRates(self._clock)
                self._leases.clear()
        finally:
            for claim in claims:
                del self._fetches[claim.key]

    async def _ask(self, leases: Sequence[tuple[Claim, _Lease]]) -> None:
        words = [word for claim, lease in leases for word in (claim.rate.interval_s, WINDOW_S, SLACK_S, lease.lot)]
        answer = await self._take(keys=[f"agentflow:rates:{{{claim.key}}}" for claim, _ in leases], args=["", *words])
        for number, (claim, lease) in enumerate(leases):
            _note(lease, claim.rate, self._clock(), *answer[3 * number : 3 * number + 3])

    def _opened(self, claim: Claim, now: float) -> _Lease:
        """Return the lease of a bucket, with the size of its next lot."""
        lease = self._leases.pop(claim.key, None)
        if lease is None:
            lease = _Lease()
            while len(self._leases) >= MOST:
                del self._leases[next(iter(self._leases))]
        elif lease.until > now:
            lease.lot = min(2 * lease.lot, max(claim.rate.quota // LARGEST_SHARE, 1))
        else:
            lease.lot, lease.left = 1, 0
        self._leases[claim.key] = lease
        return lease


def _note(lease: _Lease, rate: Rate, now: float, granted: int, there: int, full_s: bytes) -> None:
    lease.left += granted
    lease.there = there
    lease.full_at = now + float(full_s)
    if granted:
        lease.until = now + LEASE_S
    if not there:
        lease.none_until = lease.full_at + rate.interval_s - WINDOW_S
