"""The one door to the expression language for everything that runs."""

from collections.abc import Mapping
from typing import Any

from agentflow.kit.json import JsonValue
from agentflow.spec.expressions.program import compile_expression
from agentflow.spec.expressions.tree import CompiledTree, Paths, check_length, compile_tree


class Renderer:
    """Evaluates expressions and templates within the limits of this installation; holds no state of any run.

    Args:
        fuel: most steps one expression or template may take; touching text and lists costs steps by size.
        max_output_bytes: largest text or value that one may produce.
        max_template_bytes: longest expression or template.
    """

    def __init__(self, fuel: int, max_output_bytes: int, max_template_bytes: int) -> None:
        self._fuel = fuel
        self._max_bytes = max_output_bytes
        self._max_template_bytes = max_template_bytes

    def compile_tree(self, value: JsonValue, expressions: Paths = (), raw: Paths = ()) -> CompiledTree:
        """Compile a whole config: strings are templates, strings at or below ``expressions`` bare expressions, ``raw`` stays as it is.

        Raises:
            ExpressionError: ``syntax`` or ``budget``; ``at`` says where.
        """
        return compile_tree(value, expressions, raw, self._fuel, self._max_bytes, self._max_template_bytes)

    def render(self, value: JsonValue, context: Mapping[str, Any], *, expressions: Paths = (), raw: Paths = ()) -> JsonValue:
        """Compile and render in one go; what renders often is better compiled once.

        Raises:
            ExpressionError: see ``CompiledTree.render``.
        """
        return self.compile_tree(value, expressions, raw).render(context)

    def evaluate(self, expression: str, context: Mapping[str, Any]) -> JsonValue:
        """Return the typed result of a bare expression.

        Raises:
            ExpressionError: it cannot be read, names something unknown, or goes beyond a limit.
        """
        check_length(expression, self._max_template_bytes)
        return compile_expression(expression).evaluate(context, self._fuel, self._max_bytes)

    def test(self, expression: str, context: Mapping[str, Any]) -> bool:
        """Tell whether a condition holds: null, false, 0, and empty text, lists and objects do not.

        Raises:
            ExpressionError: see ``evaluate``.
        """
        return bool(self.evaluate(expression, context))
