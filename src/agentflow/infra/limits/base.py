"""The port of token buckets: what a line is, what is asked, what comes back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

SLACK = 1e-9
"""Tokens by which a level may fall short and still count as enough: sums of floats are not exact."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One limit.

    Attributes:
        name: what it counts, as shown to people.
        rate: tokens that flow in a second; more than 0.
        capacity: tokens it holds at most, and holds at first; more than 0.
    """

    name: str
    rate: float
    capacity: float


@dataclass(frozen=True, slots=True)
class Line:
    """A place that is passed one after the other, at the pace of its buckets.

    Attributes:
        key: names it over all processes; holds the tenant.
        buckets: its limits; all of them must have enough.
    """

    key: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody who wants to pass.

    Attributes:
        ticket: names this ask over all processes; without spaces.
        lane: those of a lane keep their order; lanes share the line by weight.
        weight: the share of the lane, more than 0; only its ratio to others counts.
        costs: tokens to take from each bucket of the line. One that is larger than a bucket waits until the bucket is full and then
            takes more than there is: the level falls below zero, so that the rate holds in the long run.
    """

    ticket: str
    lane: str
    weight: float
    costs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a look at a line brought.

    Attributes:
        granted: tickets of the owner that may pass now; each is told once.
        next_s: seconds until the foremost of all who wait can pass; 0 when nobody waits.
        reason: name of the bucket that holds the foremost up, or None.
        backlog_s: seconds until everybody who waits now has passed.
    """

    granted: Sequence[str]
    next_s: float = 0.0
    reason: str | None = None
    backlog_s: float = 0.0


class Buckets(Protocol):
    """Token buckets by line; each operation is atomic over everybody who shares them."""

    async def turn(self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask]) -> Turn:
        """Line up new asks, take back those that leave, and let pass who can.

        Asks pass in weighted fair order: while several lanes wait, each gets tokens by its weight; what a lane does not use flows to
        the others. Nobody is overtaken for ever, and nothing passes the foremost.

        Args:
            line: the line with its limits as they are now.
            owner: who asks, one per process; must come again within a few seconds while it has asks in the line.
            new: asks that the owner did not make before.
            leaving: tickets that no longer wait.
            everyone: all asks of the owner that wait, the new ones included; read when what is stored has lost them.
        """
        ...

    async def adjust(self, line: Line, amounts: Sequence[float]) -> None:
        """Put tokens back (more than 0) or take more (less than 0, also below an empty bucket): the settling of an estimate."""
        ...
