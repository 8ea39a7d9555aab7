"""Bounds of one evaluation: steps and bytes, counted, never timed, so that a run behaves the same on every machine.

Steps alone do not bound time, since one step may copy or compare megabytes. So text and lists pay by their size.
"""

from typing import Any

from agentflow.spec.expressions.errors import ExpressionError

TEXT_UNIT_SHIFT = 8
"""256 characters touched cost one step; that is about what a step costs in time."""


class Budget:
    """What one evaluation may still spend.

    Attributes:
        fuel: steps left.
        room: bytes of text that may still be produced.
    """

    __slots__ = ("_max_bytes", "_max_fuel", "fuel", "room")

    def __init__(self, fuel: int, max_bytes: int) -> None:
        self.fuel = self._max_fuel = fuel
        self.room = self._max_bytes = max_bytes

    def spend(self, steps: int) -> None:
        """Pay for steps, items or comparisons.

        Raises:
            ExpressionError: ``budget``; the fuel is used up.
        """
        self.fuel -= steps
        if self.fuel < 0:
            raise ExpressionError(f"the expression takes more than {self._max_fuel} steps (expression_fuel)", kind="budget")

    def text(self, length: int) -> None:
        """Pay for reading or making text of this length, and refuse text larger than a value may be.

        Raises:
            ExpressionError: ``budget``.
        """
        if length > self._max_bytes:
            raise self.too_large()
        self.spend((length >> TEXT_UNIT_SHIFT) + 1)

    def output(self, text: str) -> None:
        """Count text that is kept.

        Raises:
            ExpressionError: ``budget``; the output is larger than allowed.
        """
        self.room -= size_of(text)
        if self.room < 0:
            raise self.too_large()

    def too_large(self) -> ExpressionError:
        """Return the error for a value beyond the size limit."""
        return ExpressionError(f"the value is larger than {self._max_bytes} bytes (max_value_bytes)", kind="budget")

    def weigh(self, *values: Any) -> None:
        """Pay for touching everything inside ``values``: a list that holds one list a thousand times counts it a thousand times.

        Raises:
            ExpressionError: ``budget``.
        """
        stack = list(values)
        steps = 0
        while stack:
            value = stack.pop()
            steps += 1
            if isinstance(value, str):
                steps += len(value) >> TEXT_UNIT_SHIFT
            elif isinstance(value, dict):
                steps += len(value)
                stack.extend(value.values())
            elif isinstance(value, list):
                stack.extend(value)
            if steps + len(stack) > self.fuel:
                self.spend(steps + len(stack))
        self.spend(steps)

    def keep(self, value: Any) -> Any:
        """Return ``value`` if it is plain JSON within the size limit.

        Raises:
            ExpressionError: ``budget`` when it is too large, ``runtime`` when JSON cannot hold it.
        """
        if isinstance(value, str):
            self.output(value)
        elif isinstance(value, dict | list):
            self._keep_all(value)
        elif not isinstance(value, bool | int | float | None):
            raise ExpressionError(f"the result is a {type(value).__name__}, not a JSON value")
        return value

    def _keep_all(self, value: Any) -> None:
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                self.room -= size_of(item) + 2
            elif isinstance(item, dict):
                self.room -= 2 + sum(size_of(key) + 4 for key in item)
                stack.extend(item.values())
            elif isinstance(item, list):
                self.room -= 2 + len(item)
                stack.extend(item)
            elif not isinstance(item, bool | int | float | None):
                raise ExpressionError(f"the result holds a {type(item).__name__}, not a JSON value")
            else:
                self.room -= 2
            if self.room < 0:
                raise self.too_large()


def size_of(text: str) -> int:
    """Return the length of ``text`` as UTF-8, in bytes; without encoding it when it is ASCII."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
