"""Telling a burst from a crowd: starts that come faster than they are done, for longer than it takes to send a burst."""

from collections import deque

MIN_STARTS = 32
"""Starts at a time that are worked on however slow they are."""
CROWD = 64
"""Starts at a time that are no crowd yet: so few pile up when something else keeps the server busy, and refusing them would not help it."""
BURST_S = 0.4
"""Seconds for which starts may pile up: what comes within them is a burst, which is let in whole and worked off."""
TICKS = 8
"""Measurements from which the pace is taken; one commit ends many starts at once, so fewer would tell little."""


class Crowd:
    """Follows how many starts are worked on and how many were done just now.

    By Little's law (https://doi.org/10.1287/opre.9.3.383) what is let in now waits for as many seconds as the starts at work are to those
    done in a second. Where nothing at all is done nothing is learnt: that is a stall, and refusing would not end it sooner.

    Args:
        latency_s: seconds that a start may wait.
        most: starts at a time that are never passed.
    """

    def __init__(self, latency_s: float, most: int) -> None:
        self._latency_s = latency_s
        self._most = most
        self._least = min(MIN_STARTS, most)
        self._seen: deque[tuple[int, float]] = deque(maxlen=TICKS)
        self._behind_s = 0.0
        self.allowed = float(most)
        """Starts that can be done in time, by the pace of the last ticks."""

    @property
    def is_behind(self) -> bool:
        """Whether more starts are worked on than can be done in time."""
        return self._behind_s > 0.0

    def tick(self, at_work: int, done: int, elapsed_s: float, *, refused: bool) -> None:
        """Take in what happened since the last tick.

        Args:
            at_work: starts that are worked on now.
            done: those that ended.
            elapsed_s: seconds since the last tick.
            refused: whether starts were refused just now; while they are, there is no room for another burst.
        """
        self._seen.append((done, elapsed_s))
        done_lately = sum(count for count, _ in self._seen)
        if done_lately:
            pace = done_lately / sum(seconds for _, seconds in self._seen)
            self.allowed = min(max(pace * self._latency_s, self._least), self._most)
            if at_work > max(self.allowed, CROWD):
                self._behind_s += elapsed_s
        if at_work <= self.allowed / 2 and not refused:
            self._behind_s = 0.0

    def refuses(self, at_work: int) -> bool:
        """Tell whether one more would have to wait too long, and is no part of a burst."""
        return at_work >= self.allowed and self._behind_s >= BURST_S
