"""Cleaning up what is over: sessions, tokens, counts of attempts, guests."""

import asyncio
from datetime import timedelta

import structlog
from prometheus_client import Counter

from agentflow.identity.accounts.registration import Registration
from agentflow.identity.attempts import Attempts
from agentflow.identity.sessions.service import Sessions
from agentflow.identity.tokens.one_time import OneTimeTokens
from agentflow.kit.tasks import ended

log = structlog.get_logger(__name__)

CLEANED = Counter(
    "agentflow_identity_cleaned_total", "What was over and is deleted: sessions, tokens, attempts; guests are shut.", ["kind"]
)


class Housekeeping:
    """Looks for what is over, every now and then.

    Args:
        sessions: of devices.
        tokens: that work once.
        attempts: counts of wrong ones.
        registration: knows the guests.
        guest_age: how long guests may stay.
        interval_s: seconds between two looks.
    """

    def __init__(
        self,
        sessions: Sessions,
        tokens: OneTimeTokens,
        attempts: Attempts,
        registration: Registration,
        guest_age: timedelta,
        interval_s: float,
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._attempts = attempts
        self._registration = registration
        self._guest_age = guest_age
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name="identity housekeeping")

    async def stop(self) -> None:
        """End."""
        await ended(self._task)

    async def clean(self) -> None:
        """Look once."""
        CLEANED.labels("sessions").inc(await self._sessions.clean())
        CLEANED.labels("tokens").inc(await self._tokens.clean())
        CLEANED.labels("attempts").inc(await self._attempts.clean())
        CLEANED.labels("guests").inc(await self._registration.end_guests(self._guest_age))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.clean()
            except Exception as error:  # noqa: BLE001 - the database is away; the next look finds what this one did not
                log.warning("identity was not cleaned up", error=str(error))
