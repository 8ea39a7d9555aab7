"""So many requests a minute: what is asked by those who do not wait, and the buckets of one process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 60.0
"""Seconds that every quota is for."""
SLACK_S = 1e-6
"""What times of a clock that began long ago are off by, when they are added and subtracted."""
PRUNE_FROM = 10_000
"""Buckets kept before those that are full are forgotten; the bound doubles with what is in use."""
MOST = 200_000
"""Buckets kept at most; beyond it those that were opened first are forgotten, full or not."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit.

    A token bucket: it holds ``quota`` tokens, all of them at first, and as many flow in within ``WINDOW_S``.

    Attributes:
        name: what it counts, as shown to people.
        quota: requests in a window; more than 0.
    """

    name: str
    quota: int

    @property
    def interval_s(self) -> float:
        """Seconds until one token flows in."""
        return WINDOW_S / self.quota


@dataclass(frozen=True, slots=True)
class Claim:
    """One token that somebody wants.

    Attributes:
        key: names the bucket over all processes; holds the tenant where there is one.
        rate: its limit.
    """

    key: str
    rate: Rate


@dataclass(frozen=True, slots=True)
class Standing:
    """How the limit stands that leaves least.

    Attributes:
        rate: the limit.
        remaining: tokens that are left; 0 when nothing was granted.
        wait_s: seconds until there is a token again; 0 when it was granted.
        full_s: seconds until the bucket is full again.
    """

    rate: Rate
    remaining: int
    wait_s: float
    full_s: float

    @property
    def is_granted(self) -> bool:
        """Whether every token that was asked for was taken."""
        return self.wait_s <= 0


class Rates(Protocol):
    """Buckets by key; of several claims either all are granted or none is."""

    def take_now(self, claims: Sequence[Claim]) -> Standing | None:
        """Take a token for each claim, of which there is one at least; None when that cannot be told without asking elsewhere."""
        ...

    async def take(self, claims: Sequence[Claim]) -> Standing:
        """Take a token for each claim, of which there is one at least. Nothing raises."""
        ...

    def refusal(self, claims: Sequence[Claim]) -> Standing | None:
        """Return why the claims would not be granted, as far as it is known here; takes nothing."""
        ...

    def count(self, claims: Sequence[Claim]) -> None:
        """Take a token for each claim that has one, for something that has happened already."""
        ...


class LocalRates:
    """Fulfils ``Rates`` for everybody who shares this object.

    Of each bucket one number is kept, the time at which it will be full: the generic cell rate algorithm.

    Args:
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._prune_at = PRUNE_FROM

    def __len__(self) -> int:
        """Return how many buckets are remembered."""
        return len(self._full_at)

    def take_now(self, claims: Sequence[Claim]) -> Standing:
        """Take; see ``Rates.take_now``. Buckets of this process always know."""
        now = self._clock()
        standing, after = self._look(claims, now)
        if standing.is_granted:
            self._full_at.update(after)
            if len(self._full_at) >= self._prune_at:
                self._prune(now)
        return standing

    async def take(self, claims: Sequence[Claim]) -> Standing:
        """Take; see ``Rates.take``."""
        return self.take_now(claims)

    def refusal(self, claims: Sequence[Claim]) -> Standing | None:
        """Look; see ``Rates.refusal``."""
        standing, _ = self._look(claims, self._clock())
        return None if standing.is_granted else standing

    def count(self, claims: Sequence[Claim]) -> None:
        """Take what there is; see ``Rates.count``."""
        for claim in claims:
            self.take_now((claim,))

    def _look(self, claims: Sequence[Claim], now: float) -> tuple[Standing, list[tuple[str, float]]]:
        """Return how things stand when a token of each is taken, and when each bucket will be full then."""
        after = []
        tightest: tuple[int, Rate, float] | None = None
        for claim in claims:
            rate = claim.rate
            full_at = max(self._full_at.get(claim.key, now), now) + rate.interval_s
            over_s = full_at - now - WINDOW_S
            if over_s > SLACK_S:
                return Standing(rate, 0, over_s, full_at - now - rate.interval_s), []
            remaining = int((SLACK_S - over_s) / rate.interval_s)
            if tightest is None or remaining < tightest[0]:
                tightest = remaining, rate, full_at - now
            after.append((claim.key, full_at))
        assert tightest is not None  # noqa: S101 - there is a claim at least
        return Standing(tightest[1], tightest[0], 0.0, tightest[2]), after

    def _prune(self, now: float) -> None:
        kept = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for key in list(kept)[: max(len(kept) - MOST, 0)]:
            del kept[key]
        self._full_at = kept
        self._prune_at = min(max(PRUNE_FROM, 2 * len(kept)), MOST + PRUNE_FROM)
