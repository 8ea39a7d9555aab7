"""Counting what model calls use, and holding a run to its limits."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agentflow.errors import NodeError
from agentflow.nodes.context import Usage
from agentflow.spec.model import RunLimits

_UNLIMITED = RunLimits()


class UsageMeter:
    """Tokens and cost added up; a cost is None as soon as one price is unknown."""

    def __init__(self, limits: RunLimits = _UNLIMITED) -> None:
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost: Decimal | None = Decimal(0)
        self.calls = 0
        self._limits = limits

    @property
    def tokens(self) -> int:
        """Tokens read and written together."""
        return self.input_tokens + self.output_tokens

    def add(self, usage: Usage) -> None:
        """Add what one call used."""
        self.calls += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost = None if self.cost is None or usage.cost_usd is None else self.cost + usage.cost_usd

    def add_stored(self, stored: Mapping[str, Any] | None) -> None:
        """Add what a node run used that finished before a recovery."""
        if stored:
            cost = stored["cost_usd"]
            self.add(Usage(stored["input_tokens"], stored["output_tokens"], None if cost is None else Decimal(str(cost))))

    def check(self) -> None:
        """Hold the run to its limits.

        Raises:
            NodeError: ``LIMIT_EXCEEDED``, naming the limit and the value that passed it.
        """
        if self._limits.max_tokens is not None and self.tokens > self._limits.max_tokens:
            raise _exceeded("max_tokens", str(self._limits.max_tokens), str(self.tokens))
        if self._limits.max_cost_usd is not None and self.cost is not None and self.cost > Decimal(str(self._limits.max_cost_usd)):
            raise _exceeded("max_cost_usd", str(self._limits.max_cost_usd), str(self.cost))

    def stored(self) -> dict[str, Any] | None:
        """Return the sums as they are stored, or None when nothing was used."""
        if not self.calls:
            return None
        cost = None if self.cost is None else float(self.cost)
        return {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, "cost_usd": cost}


def _exceeded(name: str, limit: str, value: str) -> NodeError:
    return NodeError(
        f"The run passed limits.{name}: {value} used, {limit} allowed.",
        error_code="LIMIT_EXCEEDED",
        hint=f"Raise limits.{name} in the specification, or use fewer or smaller model calls.",
        details={"limit": name},
    )
