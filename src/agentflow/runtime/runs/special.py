"""How a run differs from an ordinary one: where it stops for somebody who looks at it, and which outputs are given."""

from typing import Any

from agentflow.compiler.plan import Plan
from agentflow.errors import Invalid
from agentflow.runtime.runs.schemas import RunControl, RunOptions, RunPins

_FIELDS = (*RunControl.model_fields, *RunPins.model_fields)


def special(options: RunOptions | None) -> dict[str, Any]:
    """Return the fields of ``options`` that make a run special."""
    return {} if options is None else {name: getattr(options, name) for name in _FIELDS}


def control_of(stops: RunControl, pins: RunPins, plan: Plan) -> dict[str, Any] | None:
    """Return what makes a run special, as it is stored; None for an ordinary run.

    Raises:
        Invalid: a node that is named does not exist.
    """
    for what, nodes in (("stop before", stops.interrupt_before), ("stop after", stops.interrupt_after), ("pin", pins.pinned)):
        for node in nodes:
            if node not in plan.nodes:
                raise Invalid(f"The workflow has no node {node} to {what}.", hint=f"Its nodes are {', '.join(plan.nodes)}.")
    control: dict[str, Any] = {}
    if stops.mode == "step":
        control["mode"] = "step"
    if stops.interrupt_before:
        control["interrupt_before"] = stops.interrupt_before
    if stops.interrupt_after:
        control["interrupt_after"] = stops.interrupt_after
    if pins.pinned:
        control["pins"] = pins.pinned
    return control or None
