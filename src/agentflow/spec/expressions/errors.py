"""What can go wrong with an expression."""

from typing import Literal

ErrorKind = Literal["syntax", "unknown_name", "budget", "runtime"]

SHOWN = 120
"""Characters of the expression that a message repeats."""


class ExpressionError(ValueError):
    """An expression or template cannot be read or evaluated.

    Attributes:
        message: what is wrong, naming the part.
        expression: the text concerned.
        kind: ``syntax`` (found before anything runs), ``unknown_name``, ``budget`` (steps or size) or ``runtime``.
        at: JSON Pointer to the text inside the value that was rendered; empty when it was rendered by itself.
    """

    def __init__(self, message: str, expression: str = "", kind: ErrorKind = "runtime") -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression
        self.kind = kind
        self.at = ""

    def within(self, expression: str) -> "ExpressionError":
        """Return the error with the text it belongs to, unless it already has one."""
        self.expression = self.expression or expression
        return self

    def __str__(self) -> str:
        shown = self.expression if len(self.expression) <= SHOWN else self.expression[:SHOWN] + "…"
        place = f"{self.at}: " if self.at else ""
        return f"{place}{self.message} (in {shown})" if shown else f"{place}{self.message}"
