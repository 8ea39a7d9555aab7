"""What crosses the wire about stored workflows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentflow.spec.model import Edge, Node
from agentflow.spec.problems import Code

EXAMPLE_SPEC = {
    "spec_version": "1",
    "name": "hello",
    "start_node": "hi",
    "nodes": [{"id": "hi", "type": "transform", "config": {"value": "Hello"}}],
}


class Wire(BaseModel):
    """Base of wire schemas: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(Wire):
    """Base of request bodies: values must have their type, nothing is converted."""

    model_config = ConfigDict(strict=True)


WorkflowStatus = Literal["active", "archived"]
Seen = Literal["private", "organisation", "public"]


class Retention(Body):
    """How long the ended runs of a workflow are kept; what is null is as the settings say."""

    max_age_days: float | None = Field(default=None, ge=0, le=36_500, description="Days after their end; 0 keeps all.", examples=[7])
    max_runs: int | None = Field(default=None, ge=0, le=2**31 - 1, description="The newest so many; 0 keeps all.", examples=[1_000])
    keep_failed: bool = Field(default=False, description="Keep runs that failed or timed out, whatever their age and number.")


class Workflow(Wire):
    """A stored workflow with its current specification."""

    id: str = Field(description="UUIDv7 of the workflow.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Name of the workflow.", examples=["hello"])
    description: str | None = Field(default=None, description="What it does.", examples=["Says hello."])
    status: WorkflowStatus = Field(default="active", description="An archived workflow is kept but cannot be started.", examples=["active"])
    tags: list[str] = Field(default_factory=list, description="Labels.", examples=[["demo"]])
    version: int = Field(description="Number of the current version.", examples=[1])
    valid: bool = Field(description="Whether the current version can run; drawing a graph node by node passes through states that cannot.")
    retention: Retention | None = Field(default=None, description="How long its runs are kept; null for as the settings say.")
    spec: dict[str, Any] = Field(description="The specification.", examples=[EXAMPLE_SPEC])
    owner_id: str = Field(description="The user who created it.")
    fork_from_id: str | None = Field(default=None, description="The workflow this is a copy of.")
    visibility: Seen = Field(
        default="organisation",
        description="Who sees it: its owner and those it is shared with, the organisation, or everybody.",
        examples=["organisation"],
    )
    is_public: bool = Field(default=False, description="Whether everybody sees it.", examples=[False])
    is_foreign: bool = Field(
        default=False, description="Whether it was imported or copied from elsewhere; what it uses must then be confirmed before it runs."
    )
    confirmed_hash: str | None = Field(default=None, description="Hash of the specification that was confirmed last; null for none.")
    created_at: datetime = Field(description="When it was created.")
    updated_at: datetime = Field(description="When it was last changed.")
    deleted_at: datetime | None = Field(default=None, description="When it was deleted; null unless it was.")


class WorkflowContent(Body):
    """What a workflow consists of."""

    spec: dict[str, Any] = Field(description="The specification.", examples=[EXAMPLE_SPEC])
    name: str | None = Field(
        default=None, min_length=1, max_length=200, description="Name; that of the specification when null.", examples=["hello"]
    )
    description: str | None = Field(default=None, max_length=10_000, description="What it does; that of the specification when null.")
    tags: list[Annotated[str, Field(max_length=100)]] | None = Field(
        default=None, max_length=100, description="Labels; those of the specification when null.", examples=[["demo"]]
    )


class WorkflowCreate(WorkflowContent):
    """What creates a workflow."""

    visibility: Literal["private", "organisation"] = Field(
        default="organisation", description="`private` keeps it from the other members.", examples=["organisation"]
    )


class WorkflowReplace(WorkflowContent):
    """What takes the place of a workflow."""

    note: str | None = Field(default=None, max_length=1_000, description="Why; kept with the version.", examples=["Shorter answers"])


class WorkflowUpdate(Body):
    """What changes a workflow; what is left out stays as it is."""

    spec: dict[str, Any] | None = Field(default=None, description="A new specification: a new version.", examples=[EXAMPLE_SPEC])
    name: str | None = Field(default=None, min_length=1, max_length=200, description="New name.", examples=["hello"])
    description: str | None = Field(default=None, max_length=10_000, description="New description.")
    tags: list[Annotated[str, Field(max_length=100)]] | None = Field(
        default=None, max_length=100, description="New labels.", examples=[["demo"]]
    )
    retention: Retention | None = Field(default=None, description="How long its runs are kept; null takes what was set away.")
    status: WorkflowStatus | None = Field(
        default=None, description="`archived` keeps the workflow from being started.", examples=["archived"]
    )
    note: str | None = Field(default=None, max_length=1_000, description="Why; kept with the version.", examples=["Shorter answers"])


class Rollback(Body):
    """Which version becomes the current one again."""

    version: int = Field(ge=1, le=2**31 - 1, description="Its specification is saved as a new version.", examples=[1])


class Version(Wire):
    """One immutable version."""

    workflow_id: str = Field(description="The workflow.")
    number: int = Field(description="Number of the version, from 1.", examples=[1])
    spec: dict[str, Any] | None = Field(default=None, description="The specification; left out in lists.", examples=[EXAMPLE_SPEC])
    spec_hash: str = Field(description="SHA-256 of the specification.")
    note: str | None = Field(default=None, description="Why it was made.", examples=["Shorter answers"])
    created_by: str = Field(description="The user who saved it.")
    created_at: datetime = Field(description="When it was saved.")


class Change(Wire):
    """One difference between two versions."""

    op: Literal["add", "remove", "replace"] = Field(description="What happened.", examples=["replace"])
    path: str = Field(description="Where: nodes and edges by id.", examples=["/nodes/answer/config/temperature"])
    old: Any = Field(default=None, description="Value in the older version.", examples=[0.2])
    new: Any = Field(default=None, description="Value in the newer version.", examples=[0.7])


class Diff(Wire):
    """The differences between two versions."""

    from_version: int = Field(description="The older side.", examples=[1])
    to_version: int = Field(description="The newer side.", examples=[2])
    changes: list[Change] = Field(description="Every difference, in document order.")


class Validate(Body):
    """What to validate."""

    spec: Any = Field(description="Any JSON value.", examples=[EXAMPLE_SPEC])


class Finding(Wire):
    """One problem of a specification."""

    code: Code = Field(description="Which rule found it.", examples=["UNKNOWN_REFERENCE"])
    message: str = Field(description="What is wrong.", examples=["There is no node serach."])
    path: str = Field(description="JSON Pointer to the place.", examples=["/nodes/2/config/value"])
    node_id: str | None = Field(default=None, description="The node concerned, or null.", examples=["answer"])
    hint: str | None = Field(default=None, description="The way out, or null.", examples=["Did you mean nodes.search?"])


class Validation(Wire):
    """What validation found."""

    valid: bool = Field(description="Whether the specification can run.", examples=[False])
    errors: list[Finding] = Field(description="Every error, in document order.")
    warnings: list[Finding] = Field(description="What looks like a slip but runs.", examples=[[]])


class NodeAdd(Node):
    """A node to add, with the edges that join it to the graph."""

    edges: list[Edge] = Field(default_factory=list, description="Edges to add with it.", examples=[[{"from": "hi", "to": "bye"}]])


class StoredEdge(Edge):
    """An edge with the id that addresses it: its own, or `from->to`."""

    id: str = Field(description="The edge's own id, or `from->to`; several targets are joined by `+`.", examples=["hi->bye"])
