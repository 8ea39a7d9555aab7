"""Time behind a port, so that leases and expiry can be tested without waiting."""

import time
from datetime import UTC, datetime, timedelta
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


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Return microseconds since 1970 as an aware time in UTC."""
    return _EPOCH + count * _MICROSECOND
