"""Time behind a port, so that leases and expiry can be tested without waiting."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the program reads the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC and aware of it; for records and for people."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go backwards; for measuring durations."""
        ...


class SystemClock:
    """The clock of the operating system."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the system's monotonic time in seconds."""
        return time.monotonic()


def iso(moment: datetime) -> str:
    """Return ``moment`` as RFC 3339 in UTC with microseconds and ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
