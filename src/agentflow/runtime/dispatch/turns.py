"""Beginning many things without holding up everything else: a few in each turn of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """Lets a few actions begin per turn of the event loop; the others follow in the next turns, in order.

    One commit admits hundreds of runs at once, and the first step of a run is pure computing. Were they all begun together, the loop
    would look at no socket until the last had computed, and a request that only has to be refused would wait for all of them.

    Args:
        per_turn: how many begin before the loop looks at its sockets again.
    """

    def __init__(self, per_turn: int) -> None:
        self._per_turn = self._left = per_turn
        self._waiting: deque[Callable[[], None]] = deque()
        self._counts = False
        """Whether the end of this turn is going to be noticed."""

    @property
    def waiting(self) -> int:
        """Return how many have not begun."""
        return len(self._waiting)

    def begin(self, action: Callable[[], None]) -> None:
        """Call ``action`` now, if this turn has room for it, or in a later turn."""
        if self._left:
            self._left -= 1
            action()
        else:
            self._waiting.append(action)
        if not self._counts:
            self._counts = True
            asyncio.get_running_loop().call_soon(self._next)

    def begin_all(self) -> None:
        """Let everything that waits begin now."""
        while self._waiting:
            self._waiting.popleft()()

    def _next(self) -> None:
        self._left = self._per_turn
        while self._left and self._waiting:
            self._left -= 1
            self._waiting.popleft()()
        self._counts = self._left < self._per_turn
        if self._counts:
            asyncio.get_running_loop().call_soon(self._next)
