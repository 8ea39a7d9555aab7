"""What the outside sees of a run."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agentflow.runtime.states import NodeStatus, RunStatus


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


class Run(Wire):
    """One execution of a workflow."""

    id: str = Field(description="UUIDv7 of the run.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    workflow_id: str | None = Field(description="The stored workflow; null for a run of an unsaved specification.")
    workflow_version: int | None = Field(description="The version the run is pinned to.", examples=[3])
    workflow_name: str = Field(description="Name in the specification.", examples=["cited-answer"])
    status: RunStatus = Field(description="Where the run is.", examples=["succeeded"])
    inputs: Any = Field(description="The inputs as given.", examples=[{"question": "What is a lease?"}])
    outputs: Any = Field(default=None, description="The result; null until the run succeeded.")
    error: RunError | None = Field(default=None, description="Why the run failed, or null.")
    usage: UsageTotals = Field(default_factory=UsageTotals, description="Model tokens used.")
    cost_usd: float | None = Field(default=None, description="US dollars spent on models; null when a price is unknown.", examples=[0.0])
    lane: str | None = Field(default=None, description="Sub-queue lane.", examples=["interactive"])
    priority: int = Field(default=0, description="Higher runs first.", examples=[0])
    tags: list[str] = Field(default_factory=list, description="Labels.", examples=[["demo"]])
    parent_run_id: str | None = Field(default=None, description="The run whose subworkflow node started this one.")
    attempts: int = Field(default=0, description="Times a worker took the run up; more than 1 after a crash.", examples=[1])
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
    error: RunError | None = Field(default=None, description="Why it failed, or null.")
    usage: UsageTotals = Field(default_factory=UsageTotals, description="Model tokens used.")
    cost_usd: float | None = Field(default=None, description="US dollars spent on models.")
    started_at: datetime | None = Field(default=None, description="When the first attempt began.")
    ended_at: datetime | None = Field(default=None, description="When the execution ended.")
    duration_ms: float | None = Field(default=None, description="Milliseconds from start to end.", examples=[8.2])


class RunOptions(Wire):
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
