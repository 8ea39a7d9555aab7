"""``subworkflow``: runs another workflow and waits for its result."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType, is_template
from agentflow.nodes.context import ChildRun, NodeContext
from agentflow.spec.catalog import ANY, WORKFLOWS
from agentflow.spec.effects import EffectClass

Version = Annotated[int, Field(ge=1)] | Literal["latest"]


class SubworkflowConfig(NodeConfig):
    """Settings of ``subworkflow``."""

    workflow: str = Field(min_length=1, max_length=200, description="Id or name of the workflow to run.", examples=["cited-answer"])
    version: Version = Field(
        default="latest", description="Version to run: a number, or `latest` when the node starts.", examples=["latest", 3]
    )
    inputs: dict[str, Any] = Field(
        default_factory=dict,
        description="Inputs of that workflow; strings in it are templates.",
        examples=[{"question": "{{ inputs.question }}"}],
    )


class SubworkflowOutput(NodeOutput):
    """What ``subworkflow`` brings back."""

    run_id: str = Field(description="Id of the child run.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    outputs: Any = Field(description="The child run's result.", examples=[{"answer": "42"}])


class SubworkflowNode(NodeType[SubworkflowConfig]):
    """Runs another workflow as a child run."""

    type = "subworkflow"
    title = "Sub-workflow"
    description = "Runs another workflow as a child run and hands on its result."
    category = "control"
    icon = "workflow"
    config_model = SubworkflowConfig
    output_model = SubworkflowOutput
    # A recovery finds the child that an earlier attempt started, by the node's key.
    effect_class = EffectClass.KEYED
    example = {
        "id": "answer",
        "type": "subworkflow",
        "config": {"workflow": "cited-answer", "inputs": {"question": "{{ inputs.question }}"}},
    }

    def reaches(self, config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """Return the workflow that it runs."""
        name = str(config.get("workflow", ""))
        return {WORKFLOWS: (ANY if is_template(name) else name,)}

    async def run(self, context: NodeContext, config: SubworkflowConfig) -> SubworkflowOutput:
        """Run the child to its end.

        Raises:
            NodeError: ``SUBWORKFLOW_FAILED`` with the child's error; ``WORKFLOW_NOT_FOUND``, ``DEPTH_EXCEEDED`` or ``INVALID_INPUTS``
                when it cannot start.
        """
        child = await context.run_child(config.workflow, config.inputs, config.version)
        if child.status != "succeeded":
            raise _failed(config.workflow, child)
        return SubworkflowOutput(run_id=child.run_id, outputs=child.outputs)


def _failed(workflow: str, child: ChildRun) -> NodeError:
    error = dict(child.error or {})
    because = f": {error['message']}" if error.get("message") else "."
    return NodeError(
        f"The workflow {workflow} ended as {child.status}{because}",
        error_code="SUBWORKFLOW_FAILED",
        hint=error.get("hint") or f"Look at the child run {child.run_id}.",
        details={"run_id": child.run_id, "status": child.status, "error": error or None},
    )
