"""The WorkflowSpec: the one document a user writes. Its JSON Schema is generated from these models."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentflow.spec.effects import EffectClass

ID_PATTERN = r"^[a-z][a-z0-9_-]{0,62}$"
END = "end"
"""The target of an edge that ends its branch."""

Identifier = Annotated[str, Field(pattern=ID_PATTERN, examples=["search"])]
JsonSchema = dict[str, Any]


class SpecModel(BaseModel):
    """Base of the document's parts: unknown fields are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, ser_json_inf_nan="strings")


class RetryPolicy(SpecModel):
    """When and how often a failed node is tried again; only errors marked retryable are."""

    max_attempts: int = Field(default=3, ge=1, le=100, description="Attempts in all, the first included.", examples=[3])
    initial_interval_s: float = Field(default=0.5, ge=0, le=3600, description="Seconds before the second attempt.", examples=[0.5])
    backoff: float = Field(default=2.0, ge=1, le=10, description="Each wait is the one before times this.", examples=[2.0])
    max_interval_s: float = Field(default=60.0, ge=0, le=86_400, description="Longest wait in seconds.", examples=[60])
    jitter: float = Field(default=0.1, ge=0, le=1, description="Share of each wait that is random.", examples=[0.1])


class CachePolicy(SpecModel):
    """Keeps a node's output for runs whose rendered config is the same."""

    ttl_s: float = Field(gt=0, le=31_536_000, description="Seconds an output is kept.", examples=[3600])


class LoopPolicy(SpecModel):
    """Makes an edge a bounded loop back."""

    max_iterations: int = Field(ge=1, description="Most times the edge is followed in one run.", examples=[5])
    on_exhausted: Literal["fail", "continue"] = Field(
        default="fail",
        description="What happens when the bound is reached: the run fails with LOOP_EXHAUSTED, or goes on by the node's other edges.",
        examples=["continue"],
    )


class Position(SpecModel):
    """Where the editor draws a node."""

    x: float = Field(description="Horizontal place in the editor.", examples=[120])
    y: float = Field(description="Vertical place in the editor.", examples=[80])


class Node(SpecModel):
    """One step of the workflow."""

    id: Identifier = Field(description="Name of the node, used in references and edges.", examples=["search"])
    type: str = Field(min_length=1, max_length=100, description="Node type; GET /api/v1/node-types lists them.", examples=["vector_search"])
    name: str | None = Field(default=None, max_length=200, description="Title shown in the editor.", examples=["Find passages"])
    description: str | None = Field(default=None, max_length=10_000, description="What the node is for.", examples=["Looks up the papers."])
    source: Identifier | None = Field(default=None, description="Id of the source the node uses.", examples=["papers"])
    config: dict[str, Any] = Field(
        default_factory=dict, description="Settings of the node type; strings are templates.", examples=[{"top_k": 5}]
    )
    when: str | None = Field(
        default=None, description="Expression; the node is skipped unless it is true.", examples=["inputs.question | length > 10"]
    )
    retry: RetryPolicy | None = Field(default=None, description="Repeats a failed node.", examples=[{"max_attempts": 3}])
    timeout_s: float | None = Field(default=None, gt=0, le=86_400, description="Seconds one attempt may take.", examples=[60])
    on_error: Identifier | None = Field(
        default=None,
        description="Node to go to when this one has failed for good; the error is then nodes.<id>.error.",
        examples=["apology"],
    )
    compensate: Identifier | None = Field(
        default=None,
        description="Node that undoes this one; run, last first, when the run fails, is cancelled or times out after this node completed. "
        "Nothing else leads to it.",
        examples=["refund"],
    )
    cache: CachePolicy | None = Field(
        default=None, description="Keeps the output, keyed by the rendered config.", examples=[{"ttl_s": 3600}]
    )
    effect: EffectClass | None = Field(default=None, description="Overrides the effect class of the node type.", examples=["pure"])
    position: Position | None = Field(default=None, description="Place in the editor.", examples=[{"x": 120, "y": 80}])
    metadata: dict[str, Any] = Field(default_factory=dict, description="Anything; kept, never read.", examples=[{"team": "search"}])


class Edge(SpecModel):
    """A way from one node to the next."""

    id: Identifier | None = Field(default=None, description="Name of the edge; optional.", examples=["to-answer"])
    from_: Identifier = Field(alias="from", description="Node the edge leaves.", examples=["search"])
    to: Identifier | Annotated[list[Identifier], Field(min_length=1)] = Field(
        description='Node the edge leads to, several for a parallel fan-out, or "end".', examples=["answer"]
    )
    condition: str | None = Field(
        default=None, description="Expression; the edge is taken unless it is false.", examples=["nodes.search.matches | length > 0"]
    )
    loop: LoopPolicy | None = Field(default=None, description="Allows the edge to lead back.", examples=[{"max_iterations": 3}])

    @property
    def targets(self) -> tuple[str, ...]:
        """The nodes the edge leads to, in the order written."""
        return (self.to,) if isinstance(self.to, str) else tuple(self.to)


class Bandwidth(SpecModel):
    """Token-bucket limits of a queue."""

    max_messages_per_second: float | None = Field(default=None, gt=0, description="Node starts per second.", examples=[5])
    max_requests_per_minute: float | None = Field(default=None, gt=0, description="Requests per minute.", examples=[60])
    max_tokens_per_minute: float | None = Field(default=None, gt=0, description="Model tokens per minute.", examples=[90000])
    burst_size: int | None = Field(default=None, ge=1, description="How many may pass at once.", examples=[10])


class SubQueue(SpecModel):
    """A weighted lane of a queue."""

    id: Identifier = Field(description="Name of the lane, chosen by the run's `lane`.", examples=["interactive"])
    weight: float = Field(gt=0, le=1, description="Share of the bandwidth.", examples=[0.8])


class Queue(SpecModel):
    """Shapes the traffic over one edge."""

    id: Identifier = Field(description="Name of the queue.", examples=["chat-lane"])
    from_: Identifier = Field(alias="from", description="Node the edge leaves.", examples=["enough"])
    to: Identifier = Field(description="Node the edge leads to.", examples=["answer"])
    bandwidth: Bandwidth = Field(default_factory=Bandwidth, description="Limits.", examples=[{"max_messages_per_second": 5}])
    sub_queues: list[SubQueue] = Field(default_factory=list, description="Weighted lanes.", examples=[[{"id": "batch", "weight": 0.2}]])


SourceKind = Literal["llm", "image", "embedding", "db", "http", "vector", "object_store", "mcp"]


class Source(SpecModel):
    """A named connection to an outside system."""

    id: Identifier = Field(description="Name of the source.", examples=["chat"])
    kind: SourceKind = Field(description="What sort of system it is.", examples=["llm"])
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of the connection; secrets only as {{ secrets.NAME }}.",
        examples=[{"provider": "local"}],
    )


class RunLimits(SpecModel):
    """Bounds of one run."""

    timeout_s: float | None = Field(default=None, gt=0, le=31_536_000, description="Seconds a run may take.", examples=[300])
    max_tokens: int | None = Field(default=None, ge=1, description="Model tokens a run may use.", examples=[20000])
    max_cost_usd: float | None = Field(default=None, gt=0, description="US dollars a run may cost.", examples=[0.5])
    max_steps: int | None = Field(default=None, ge=1, description="Node executions a run may make.", examples=[100])
    max_parallel_nodes: int | None = Field(
        default=None,
        ge=1,
        description="Nodes of a run, items of maps among them, that may be at work at a time; 1 takes them one after the other.",
        examples=[1],
    )
    max_concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Runs of this workflow that are driven at a time, over all workers; more wait in the queue. Child runs do not wait.",
        examples=[5],
    )


class WorkflowSpec(SpecModel):
    """A workflow: nodes joined by edges, what goes in, what comes out, and what it may use."""

    spec_version: Literal["1"] = Field(default="1", description="Version of this format.", examples=["1"])
    name: str = Field(min_length=1, max_length=200, description="Name of the workflow.", examples=["cited-answer"])
    description: str | None = Field(
        default=None, max_length=10_000, description="What the workflow does.", examples=["Answers with citations."]
    )
    inputs: JsonSchema = Field(default_factory=dict, description="JSON Schema of the run's inputs.", examples=[{"type": "object"}])
    outputs: dict[str, Any] | None = Field(
        default=None, description="The run's result, by name; strings are templates.", examples=[{"answer": "{{ nodes.answer.text }}"}]
    )
    start_node: Identifier | None = Field(default=None, description="Where a run begins.", examples=["question"])
    nodes: list[Node] = Field(description="The steps.", examples=[[{"id": "question", "type": "input"}]])
    edges: list[Edge] = Field(default_factory=list, description="The ways between them.", examples=[[{"from": "question", "to": "search"}]])
    queues: list[Queue] = Field(default_factory=list, description="Traffic limits on edges.", examples=[[]])
    sources: list[Source] = Field(
        default_factory=list, description="Connections to outside systems.", examples=[[{"id": "chat", "kind": "llm"}]]
    )
    limits: RunLimits = Field(default_factory=RunLimits, description="Bounds of one run.", examples=[{"timeout_s": 300}])
    tags: list[Annotated[str, Field(max_length=100)]] = Field(
        default_factory=list, max_length=100, description="Labels to find the workflow by.", examples=[["demo"]]
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Anything; kept, never read.", examples=[{"owner": "docs"}])
