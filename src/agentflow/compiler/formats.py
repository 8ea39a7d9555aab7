"""How plans were made, by engine format: how ways are numbered, how executions are named, what is in a checkpoint.

A run names the format that it began with and is finished by it, however much newer the program is. A change that would number or name
anything otherwise is a new format here; the old one stays as long as runs of it may be left.
"""

from collections.abc import Callable, Mapping

from agentflow.compiler.build import build_plan
from agentflow.compiler.plan import Plan
from agentflow.nodes.registry import NodeRegistry
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import WorkflowSpec

Builder = Callable[[WorkflowSpec, NodeRegistry, Renderer], Plan]

CURRENT = 1
"""The format of runs that begin now."""

FORMATS: Mapping[int, Builder] = {1: build_plan}
"""What makes the plan of a run, by its format."""
