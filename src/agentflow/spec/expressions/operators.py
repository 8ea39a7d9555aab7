"""The operators, each bounded by the budget."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.values import describe, equal, number, text

MAX_EXPONENT = 64


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def add(left: Any, right: Any, budget: Budget) -> Any:
    """Add numbers, join texts, or chain lists."""
    if _is_number(left) and _is_number(right):
        return number(left + right)
    if isinstance(left, str) and isinstance(right, str):
        budget.text(len(left) + len(right))
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        budget.spend(len(left) + len(right))
        return left + right
    raise ExpressionError(f"cannot add {describe(left)} and {describe(right)}; ~ joins anything as text")


def multiply(left: Any, right: Any, budget: Budget) -> Any:
    """Multiply numbers, or repeat a text."""
    if isinstance(left, str) and isinstance(right, int):
        budget.text(len(left) * max(right, 0))
        return left * right
    return _arithmetic(operator.mul, "multiply")(left, right, budget)


def power(left: Any, right: Any, budget: Budget) -> Any:
    """Raise a number to a small power."""
    if _is_number(right) and abs(right) > MAX_EXPONENT:
        raise ExpressionError(f"the exponent is larger than {MAX_EXPONENT}")
    return _arithmetic(operator.pow, "raise")(left, right, budget)


def _arithmetic(function: Callable[[Any, Any], Any], verb: str) -> Callable[[Any, Any, Budget], Any]:
    def apply(left: Any, right: Any, _budget: Budget) -> Any:
        if not (_is_number(left) and _is_number(right)):
            raise ExpressionError(f"cannot {verb} {describe(left)} and {describe(right)}")
        try:
            return number(function(left, right))
        except ZeroDivisionError:
            raise ExpressionError("division by zero") from None
        except (OverflowError, TypeError):
            raise ExpressionError("the result is not a finite number") from None

    return apply


def concat(parts: list[Any], budget: Budget) -> str:
    """Join values as text (``~``)."""
    texts = [text(part, budget) for part in parts]
    budget.text(sum(map(len, texts)))
    return "".join(texts)


def contains(needle: Any, haystack: Any, budget: Budget) -> bool:
    """Tell whether a list, an object or a text holds something."""
    if isinstance(haystack, str):
        if not isinstance(needle, str):
            raise ExpressionError(f"cannot look for {describe(needle)} in text")
        budget.text(len(haystack))
        return needle in haystack
    if isinstance(haystack, Mapping):
        return isinstance(needle, str) and needle in haystack
    if isinstance(haystack, list):
        budget.spend(len(haystack))
        return any(equal(needle, element, budget) for element in haystack)
    raise ExpressionError(f"cannot look inside {describe(haystack)}")


def _ordering(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Budget], bool]:
    def apply(left: Any, right: Any, budget: Budget) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            budget.text(min(len(left), len(right)))
        elif not (_is_number(left) and _is_number(right)):
            raise ExpressionError(f"cannot order {describe(left)} and {describe(right)}")
        return function(left, right)

    return apply


BINARY: Mapping[str, Callable[[Any, Any, Budget], Any]] = {
    "Add": add,
    "Sub": _arithmetic(operator.sub, "subtract"),
    "Mul": multiply,
    "Div": _arithmetic(operator.truediv, "divide"),
    "FloorDiv": _arithmetic(operator.floordiv, "divide"),
    "Mod": _arithmetic(operator.mod, "divide"),
    "Pow": power,
}

COMPARE: Mapping[str, Callable[[Any, Any, Budget], bool]] = {
    "eq": equal,
    "ne": lambda left, right, budget: not equal(left, right, budget),
    "lt": _ordering(operator.lt),
    "lteq": _ordering(operator.le),
    "gt": _ordering(operator.gt),
    "gteq": _ordering(operator.ge),
    "in": contains,
    "notin": lambda left, right, budget: not contains(left, right, budget),
}


def negate(value: Any) -> Any:
    """Return a number with its sign turned."""
    if not _is_number(value):
        raise ExpressionError(f"cannot negate {describe(value)}")
    return number(-value)


def positive(value: Any) -> Any:
    """Return a number as it is."""
    if not _is_number(value):
        raise ExpressionError(f"{describe(value)} is not a number")
    return value
