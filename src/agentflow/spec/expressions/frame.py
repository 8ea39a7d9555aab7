"""Where names get their values during one evaluation."""

from collections.abc import Callable, Mapping
from typing import Any

from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.paths import root


class Frame:
    """One scope: names set here, then those of the scope around it, then the context."""

    __slots__ = ("budget", "context", "names", "outer")

    def __init__(self, context: Mapping[str, Any], budget: Budget, outer: "Frame | None" = None) -> None:
        self.context = context
        self.budget = budget
        self.outer = outer
        self.names: dict[str, Any] = {}

    def inner(self) -> "Frame":
        """Open a scope inside this one."""
        return Frame(self.context, self.budget, self)

    def find(self, name: str) -> Any:
        """Return the value of a name, or Missing."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                return frame.names[name]
            frame = frame.outer
        return root(name, self.context)


Code = Callable[[Frame], Any]
"""A compiled expression."""

Step = Callable[[Frame, list[str]], None]
"""A compiled statement of a template; adds to the output."""
