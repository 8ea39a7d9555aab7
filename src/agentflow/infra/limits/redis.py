"""Token buckets in Redis: exact over all processes that use the same server, by its clock."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agentflow.infra.limits import scripts
from agentflow.infra.limits.base import SLACK, Ask, Line, Turn

if TYPE_CHECKING:
    from agentflow.infra.redis import RedisClient

PATIENCE_S = 5.0
"""Seconds after which the asks of a process that was not seen any more are dropped."""
TTL_MS = 60_000
"""Milliseconds that a line is remembered beyond the time at which it is full and empty of people."""
_PARTS = ("levels", "waiting", "asks", "owners", "grants")


class RedisBuckets:
    """Fulfils ``Buckets`` over one Redis or Valkey server.

    What the server answers may be lost on the way: after an error the next ``turn`` of each line must come with ``doubted``, which
    lines up again whoever waits and is not known.

    Args:
        redis: an open client that sends nothing twice by itself.
        clock: seconds, for tests; None for the server's own clock, the only one that all processes share.
    """

    def __init__(self, redis: "RedisClient", clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._turn = redis.register_script(scripts.TURN)
        self._adjust = redis.register_script(scripts.ADJUST)

    async def turn(
        self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask], *, doubted: bool = False
    ) -> Turn:
        """Line up, leave, pass; see ``Buckets.turn``.

        Raises:
            RedisError: the server cannot be reached, or did not answer in time.
        """
        complete = doubted or len(everyone) == len(new)
        answer = await self._ask(line, owner, everyone if complete else new, leaving, complete=complete)
        if len(answer) == 1:  # the server has forgotten this owner, or dropped it
            answer = await self._ask(line, owner, everyone, leaving, complete=True)
        _, next_s, reason, backlog_s, granted = answer
        name = line.buckets[int(reason) - 1].name if int(reason) else None
        return Turn([ticket.decode() for ticket in granted], float(next_s), name, float(backlog_s))

    async def adjust(self, line: Line, amounts: Sequence[float]) -> None:
        """Settle an estimate; see ``Buckets.adjust``.

        Raises:
            RedisError: the server cannot be reached, or did not answer in time.
        """
        figures = [figure for b, amount in zip(line.buckets, amounts, strict=True) for figure in (b.rate, b.capacity, amount)]
        await self._adjust(keys=_keys(line)[:1], args=[self._now(), TTL_MS, len(line.buckets), *figures])

    async def _ask(self, line: Line, owner: str, asks: Collection[Ask], leaving: Sequence[str], *, complete: bool) -> list[Any]:
        limits = [figure for bucket in line.buckets for figure in (bucket.rate, bucket.capacity)]
        head = [owner, int(complete), self._now(), PATIENCE_S, SLACK, TTL_MS, len(line.buckets), *limits]
        answer: list[Any] = await self._turn(
            keys=_keys(line), args=[*head, len(leaving), *leaving, len(asks), *(word for ask in asks for word in _words(ask))]
        )
        return answer

    def _now(self) -> float | str:
        return "" if self._clock is None else self._clock()


def _keys(line: Line) -> list[str]:
    return [f"agentflow:limits:{{{line.key}}}:{part}" for part in _PARTS]


def _words(ask: Ask) -> Iterator[Any]:
    yield ask.ticket
    yield ask.lane
    yield ask.weight
    yield from ask.costs
