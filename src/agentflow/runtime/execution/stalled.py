"""The executions of one run that wait while others may still be busy, and how each is run again."""

import asyncio
from collections.abc import Awaitable, Callable, Container
from datetime import datetime
from typing import Any

from agentflow.compiler.engine import Advance, StepAgain
from agentflow.runtime.execution.waits import Place


class Stalled:
    """Executions that the graph was told to leave alone for now.

    Args:
        held: those that wait, each with the moment to look again, or None; the ``held`` of the run's ``Waits``.
    """

    def __init__(self, held: dict[Place, datetime | None]) -> None:
        self.held = held
        self.running: dict[Place, asyncio.Task[None]] = {}
        """Those that are being run again, beside the graph."""
        self.through: dict[Place, Advance | None] = {}
        """Those that are through by now and of which the graph has not been told; with what their step came to, where that is known."""
        self._again: dict[Place, Callable[[], Awaitable[Any]]] = {}
        self._steps: dict[str, StepAgain] = {}

    def add(self, place: Place, again: Callable[[], Awaitable[Any]]) -> None:
        """Note how to run an execution again; that gives None when it still waits."""
        self._again[place] = again

    def add_step(self, node_id: str, again: StepAgain) -> None:
        """Note how to run the step again that stopped at a node."""
        self._steps[node_id] = again

    def clear(self) -> None:
        """Forget everything: the graph is about to reach them all anew."""
        for known in (self.held, self.through, self._again, self._steps):
            known.clear()

    def waiting(self) -> list[Place]:
        """Return those that wait, can be run again, and are not being run again."""
        return [place for place in self.held if place in self._again and place not in self.running]

    def under(self, prefix: str) -> bool:
        """Tell whether the graph left anything alone whose key begins with ``prefix``."""
        return any(key.startswith(prefix) for key, _ in (*self.held, *self.through))

    async def again(self, place: Place) -> None:
        """Run an execution again and, where it was through, the rest of its step.

        Raises:
            RunFailed: it failed and nothing takes over.
        """
        if await self._again[place]() is None:
            return
        step = self._steps.pop(place[0], None)
        advance = None if step is None else await step()
        self.held.pop(place, None)
        if step is None or advance is not None:
            self.through[place] = advance

    def take(self, nodes: Container[str]) -> Advance:
        """Return what the graph has to be told of ``nodes`` that are through, each once; where the step is not known, the node is reached."""
        told = Advance({}, [])
        for place in [place for place in self.through if place[0] in nodes]:
            advance = self.through.pop(place)
            if advance is None:
                told.reach.append(place[0])
            else:
                told.update.update(advance.update)
                told.reach.extend(advance.reach)
        return told
