"""ROUTER_WITHOUT_DEFAULT (a warning): a choice that may find nothing."""

from collections.abc import Iterable

from agentflow.spec.draft import Draft
from agentflow.spec.problems import Code, Problem


def defaults(draft: Draft) -> Iterable[Problem]:
    """Check that a node that chooses among targets always finds one."""
    for item in draft.nodes:
        if item.kind is not None and not item.kind.has_default(item.node.config):
            message = f"When no route of {item.node.id} applies, the node fails."
            hint = "Set `default` to the node to go to."
            yield Problem(Code.ROUTER_WITHOUT_DEFAULT, message, f"{item.path}/config", item.node.id, hint)
