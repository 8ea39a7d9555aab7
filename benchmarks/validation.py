"""Checking and compiling a specification of a thousand nodes, in a process that does nothing else."""

import json
import sys
import time
from collections.abc import Callable

from benchmarks.report import Figure, at_most
from benchmarks.setting import apart
from benchmarks.specs import referring

NODES = 1_000


def measure() -> list[Figure]:
    """Measure in a process of its own."""
    found = apart("validation")
    return [
        at_most(f"validation of {NODES:,} nodes", found["validate_ms"], 150, "ms"),
        at_most("compilation per node", found["compile_ms"] / NODES, 1, "ms"),
    ]


def main() -> None:
    """Print the best times of three as JSON."""
    from agentflow.compiler.build import build_plan
    from agentflow.compiler.graph import compiled
    from agentflow.config.settings import Settings
    from agentflow.nodes.builtin import builtin_registry
    from agentflow.spec.expressions import Renderer
    from agentflow.spec.model import WorkflowSpec
    from agentflow.spec.validate import validate

    registry, settings, document = builtin_registry(), Settings(), referring(NODES)
    result = validate(document, registry, settings)
    if not result.valid:
        sys.exit(f"the specification is not valid: {result.errors[:3]}")

    def compile_it() -> None:
        renderer = Renderer(settings.expression_fuel, settings.max_value_bytes, settings.max_template_bytes)
        compiled(build_plan(WorkflowSpec.model_validate(document), registry, renderer))

    print(json.dumps({"validate_ms": _best(lambda: validate(document, registry, settings)), "compile_ms": _best(compile_it)}))


def _best(action: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times) * 1e3


if __name__ == "__main__":
    main()
