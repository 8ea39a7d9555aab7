"""What the outside sees of a run."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentflow.runtime.states import NodeStatus, RunStatus

NodeId = Annotated[str, Field(max_length=63)]


class Wire(BaseModel):
    """Base of wire schemas."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UsageTotals(Wire):
    """What the model calls of a run or node used."""

    input_tokens: int = Field(default=0, description="Prompt tokens.", examples=[412])
    output_tokens: int = Field(default=0, description="Generated tokens.", examples=[96])
    total_tokens: int = Field(default=0, description="Both together.", examples=[508])


class RunError(Wire):
    """Why a run or node failed."""

    code: str = Field(description="Stable name of the cause.", examples=["HTTP_STATUS"])
    message: str = Field(description="What happened.", examples=["GET https://api.example.com/x answered 503."])
    node_id: str | None = Field(default=None, description="The node that failed; null when the run itself did.", examples=["fetch"])
    attempt: int | None = Field(default=None, description="The attempt that failed for good.", examples=[3])
    hint: str | None = Field(default=None, description="The way out.", examples=["Try again later."])
    details: dict[str, Any] = Field(default_factory=dict, description="Facts about the cause.", examples=[{"status": 503}])


class LargeValue(Wire):
    """A value that is not in the answer because of its size."""

    size: int = Field(description="Bytes of its JSON text.", examples=[20_000_000])
    sha256: str = Field(description="SHA-256 of that text.", examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    href: str = Field(description="Where to get it.", examples=["/api/v1/artifacts/5f0c9f8e-6a53-5d0e-8d5b-0d5f6f1c2b3a/content"])


class Run(Wire):
    """One execution of a workflow."""

    id: str = Field(description="UUIDv7 of the run.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    workflow_id: str | None = Field(description="The stored workflow; null for a run of an unsaved specification.")
    workflow_version: int | None = Field(description="The version the run is pinned to.", examples=[3])
    workflow_name: str = Field(description="Name in the specification.", examples=["cited-answer"])
    status: RunStatus = Field(description="Where the run is.", examples=["succeeded"])
    inputs: Any = Field(description="The inputs as given.", examples=[{"question": "What is a lease?"}])
    outputs: Any = Field(default=None, description="The result; null until the run succeeded.")
    large_values: dict[str, LargeValue] = Field(
        default_factory=dict, description="Values too large for this answer, by field; the field itself is null.", examples=[{}]
    )
    error: RunError | None = Field(default=None, description="Why the run failed, or null.")
    usage: UsageTotals = Field(default_factory=UsageTotals, description="Model tokens used.")
    cost_usd: float | None = Field(default=None, description="US dollars spent on models; null when a price is unknown.", examples=[0.0])
    lane: str | None = Field(default=None, description="Sub-queue lane.", examples=["interactive"])
    priority: int = Field(default=0, description="Higher runs first.", examples=[0])
    tags: list[str] = Field(default_factory=list, description="Labels.", examples=[["demo"]])
    parent_run_id: str | None = Field(default=None, description="The run whose subworkflow node started this one.")
    origin_run_id: str | None = Field(default=None, description="The run that this one was retried or forked from.")
    origin_kind: Literal["retry", "fork"] | None = Field(default=None, description="How it came from it.", examples=["retry"])
    origin_checkpoint: int | None = Field(default=None, description="The checkpoint it was forked from.", examples=[7])
    attempts: int = Field(
        default=0, description="Times a worker took the run up since it last waited; more than 1 after a crash.", examples=[1]
    )
    paused_at: datetime | None = Field(default=None, description="Since when nothing of the run may begin, or null: it is not paused.")
    paused_by: str | None = Field(default=None, description="Id of the user who paused it.")
    created_at: datetime = Field(description="When the run was accepted.")
    started_at: datetime | None = Field(default=None, description="When the first node began.")
    ended_at: datetime | None = Field(default=None, description="When the run ended.")
    duration_ms: float | None = Field(default=None, description="Milliseconds from start to end.", examples=[412.5])


class NodeRun(Wire):
    """One execution of one node in a run."""

    node_id: str = Field(description="Id of the node; items of a map read `each[3]` or `each[3]/step`.", examples=["search"])
    type: str = Field(description="Node type.", examples=["vector_search"])
    iteration: int = Field(default=0, description="Loop iteration, from 0.", examples=[0])
    execution_order: int = Field(description="Place among the executions of the run, from 1.", examples=[2])
    status: NodeStatus = Field(description="Where the execution is.", examples=["completed"])
    attempts: int = Field(description="Attempts made.", examples=[1])
    input: Any = Field(default=None, description="The rendered config the node ran with.")
    output: Any = Field(default=None, description="What came out.")
    large_values: dict[str, LargeValue] = Field(
        default_factory=dict, description="Values too large for this answer, by field; the field itself is null.", examples=[{}]
    )
    error: RunError | None = Field(default=None, description="Why it failed, or null.")
    usage: UsageTotals = Field(default_factory=UsageTotals, description="Model tokens used.")
    cost_usd: float | None = Field(default=None, description="US dollars spent on models.")
    started_at: datetime | None = Field(default=None, description="When the first attempt began.")
    ended_at: datetime | None = Field(default=None, description="When the execution ended.")
    duration_ms: float | None = Field(default=None, description="Milliseconds from start to end.", examples=[8.2])


class RunControl(Wire):
    """Where a run stops for somebody who looks at it."""

    model_config = ConfigDict(strict=True)

    mode: Literal["run", "step"] = Field(default="run", description="`step` stops before every node.", examples=["step"])
    interrupt_before: list[NodeId] = Field(
        default_factory=list, max_length=1000, description="Nodes to stop before.", examples=[["answer"]]
    )
    interrupt_after: list[NodeId] = Field(default_factory=list, max_length=1000, description="Nodes to stop behind.", examples=[["search"]])


class RunPins(Wire):
    """Outputs that are given instead of made."""

    model_config = ConfigDict(strict=True)

    pinned: dict[NodeId, Any] = Field(
        default_factory=dict,
        max_length=1000,
        description="Outputs by node: these nodes are not run, they have this output.",
        examples=[{"search": {"matches": []}}],
    )


class RunOptions(RunControl, RunPins):
    """How a run is started, whatever it runs; values must have their type, nothing is converted."""

    model_config = ConfigDict(strict=True)

    inputs: dict[str, Any] = Field(
        default_factory=dict, description="Values for the workflow's input schema.", examples=[{"question": "What is a lease?"}]
    )
    lane: str | None = Field(default=None, max_length=63, description="Sub-queue lane.", examples=["interactive"])
    priority: int = Field(default=0, ge=-100, le=100, description="Higher runs first.", examples=[0])
    tags: list[Annotated[str, Field(max_length=100)]] = Field(
        default_factory=list, max_length=100, description="Labels.", examples=[["demo"]]
    )


class RunStart(RunOptions):
    """What starts a run of a stored workflow."""

    version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Version to run; the newest when null.", examples=[3])


class InlineStart(RunOptions):
    """What starts a run of a specification that is not stored."""

    spec: dict[str, Any] = Field(
        description="The specification to validate and run.",
        examples=[{"name": "hello", "nodes": [{"id": "greet", "type": "transform", "config": {"value": "Hello"}}], "start_node": "greet"}],
    )


class InterruptAnswer(Wire):
    """An answer to what a run waits for."""

    model_config = ConfigDict(strict=True)

    node_id: str | None = Field(
        default=None, max_length=500, description="The node that waits; may be left out when only one does.", examples=["approve"]
    )
    iteration: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="Its turn in a loop; the newest when left out.", examples=[0]
    )
    interrupt_id: str | None = Field(
        default=None,
        max_length=64,
        description="The interrupt itself, instead of the node.",
        examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"],
    )
    shown_hash: str | None = Field(
        default=None,
        max_length=64,
        description="`shown_hash` of the interrupt as you saw it; if it asks something else, the answer is refused.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    decision: str | None = Field(default=None, max_length=100, description="One of the choices that are offered.", examples=["approve"])
    values: Any = Field(default=None, description="Values that belong to the decision.", examples=[{"amount": 120}])
    comment: str | None = Field(default=None, max_length=10_000, description="Words for the record.", examples=["Checked the invoice."])


class Checkpoint(Wire):
    """A moment of a run that can be looked at and forked from: an execution of a node has ended."""

    id: int = Field(description="Its number: that of the event that ended the execution.", examples=[7])
    node_id: str = Field(description="The execution that ended.", examples=["search"])
    status: NodeStatus = Field(description="How it ended.", examples=["completed"])
    at: datetime = Field(description="When.")


class CheckpointState(Wire):
    """What a run knew at a checkpoint."""

    id: int = Field(description="Number of the checkpoint; 0 is the begin.", examples=[7])
    run_id: str = Field(description="The run.")
    inputs: Any = Field(description="The inputs of the run.", examples=[{"question": "What is a lease?"}])
    nodes: dict[str, Any] = Field(description="The outputs by node, of the last iteration each.", examples=[{"search": {"matches": []}}])


class CheckpointDiff(Wire):
    """How the state of a run changed from one checkpoint to another."""

    added: dict[str, Any] = Field(description="Outputs that came, by node.", examples=[{"answer": {"text": "A lease is …"}}])
    removed: dict[str, Any] = Field(description="Outputs that went, by node; when the second checkpoint is the earlier one.", examples=[{}])
    changed: dict[str, Any] = Field(description="Outputs that differ, by node, as `from` and `to`.", examples=[{"n": {"from": 1, "to": 2}}])


class StatePatch(Wire):
    """Changes to the state that a forked run begins with."""

    model_config = ConfigDict(strict=True)

    nodes: dict[NodeId, Any] = Field(
        default_factory=dict, max_length=1000, description="New outputs by node; what followed them is run again.", examples=[{"n": 2}]
    )
    inputs: dict[str, Any] | None = Field(
        default=None,
        description="New inputs; only from checkpoint 0, because every node may depend on them.",
        examples=[{"question": "Why?"}],
    )


class ForkStart(RunControl, RunPins):
    """What starts a new run from a checkpoint of another one."""

    model_config = ConfigDict(strict=True)

    checkpoint: int | None = Field(
        default=None, ge=0, le=2**31 - 1, description="Where to begin; where the run stands when null.", examples=[7]
    )
    state: StatePatch = Field(default_factory=StatePatch, description="Changes to the state there.", examples=[{"nodes": {"n": 2}}])
    tags: list[Annotated[str, Field(max_length=100)]] = Field(
        default_factory=list, max_length=100, description="Labels.", examples=[["try"]]
    )


class RetryStart(RunControl, RunPins):
    """What starts a new run that keeps what a run that ended has done."""

    model_config = ConfigDict(strict=True)

    from_node: NodeId | None = Field(
        default=None, description="Run this node and all that follows again; without it what failed or did not run.", examples=["answer"]
    )
