"""Guessing is slow: so many wrong answers a minute for one account and from one address, over all processes and restarts."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import case, delete, literal, update
from sqlalchemy.dialects import postgresql, sqlite

from agentflow.errors import RateLimited
from agentflow.identity.models import AttemptRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.types import UtcTime
from agentflow.kit.clock import Clock

WINDOW = timedelta(minutes=1)


class TooManyAttempts(RateLimited):
    """Somebody was wrong too often in the last minute, about this account or from this address."""

    code, title = "TOO_MANY_ATTEMPTS", "Too many attempts"


class Attempts:
    """Counts wrong answers.

    What is counted is told by texts like ``account:ada`` or ``address:192.0.2.7``. Sessions that are open do not notice: an attacker
    cannot sign anybody out.

    Args:
        database: where the counts are.
        clock: the time.
        limit: wrong answers in a minute.
    """

    def __init__(self, database: Database, clock: Clock, limit: int) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit

    async def take(self, *about: str) -> None:
        """Count an attempt before it is made, so that many at once are not more than the limit; ``give_back`` takes back a right one.

        Raises:
            TooManyAttempts: there were too many about one of these.
        """
        now = self._clock.now()
        dialect = sqlite if self._database.is_sqlite else postgresql
        begins = AttemptRow.since <= now - WINDOW
        statement = dialect.insert(AttemptRow).values([{"key": key, "failures": 1, "since": now} for key in sorted(_keys(about))])
        statement = statement.on_conflict_do_update(
            index_elements=[AttemptRow.key],
            set_={
                "failures": case((begins, 1), else_=AttemptRow.failures + 1),
                "since": case((begins, literal(now, UtcTime())), else_=AttemptRow.since),
            },
        )
        async with self._database.transaction() as session:
            counts = (await session.execute(statement.returning(AttemptRow.failures, AttemptRow.since))).all()
        begun = [count.since for count in counts if count.failures > self._limit]
        if begun:
            wait_s = max((max(begun) + WINDOW - now).total_seconds(), 0)
            raise TooManyAttempts(
                "There were too many wrong attempts in the last minute.",
                hint="Wait a minute.",
                retry_after_s=wait_s,
                limit=self._limit,
                window_s=int(WINDOW.total_seconds()),
            )

    async def give_back(self, *about: str) -> None:
        """Take an attempt back that was a right one."""
        wanted = (AttemptRow.key.in_(_keys(about)), AttemptRow.failures > 0)
        async with self._database.transaction() as session:
            await session.execute(update(AttemptRow).where(*wanted).values(failures=AttemptRow.failures - 1))

    async def clean(self) -> int:
        """Forget what is over; returns how many counts that were."""
        async with self._database.transaction() as session:
            gone = await session.execute(delete(AttemptRow).where(AttemptRow.since <= self._clock.now() - WINDOW).returning(AttemptRow.key))
            return len(gone.all())


def _keys(about: Iterable[str]) -> set[str]:
    return {hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() for text in about}
