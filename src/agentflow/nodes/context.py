"""What a running node may touch: everything outside the node goes through these ports."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from agentflow.knowledge.vector_stores.base import Match
from agentflow.sources.chat_models.base import USUAL_ANSWER_TOKENS, ChatDelta, ChatRequest, ChatResult, Usage, estimate_tokens, plain_text
from agentflow.sources.databases.base import QueryResult

__all__ = [
    "USUAL_ANSWER_TOKENS",
    "ChatDelta",
    "ChatRequest",
    "ChatResult",
    "ChildRun",
    "DatabaseSource",
    "HttpClient",
    "HttpResponse",
    "Knowledge",
    "Match",
    "ModelGateway",
    "NodeContext",
    "Part",
    "QueryResult",
    "Question",
    "Reply",
    "ResolvedSource",
    "Usage",
    "estimate_tokens",
    "plain_text",
]


@dataclass(frozen=True, slots=True)
class ResolvedSource:
    """A source as a node gets it: secrets filled in; never stored, never logged.

    Attributes:
        id: the source's name in the specification; ``default`` when the node named none and its kind has one.
        kind: what sort of system it is.
        config: rendered settings; hide them from outputs, logs and errors.
    """

    id: str
    kind: str
    config: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What one incoming branch brought to a join.

    Attributes:
        node_id: the node at the end of the branch.
        status: ``completed``, ``failed`` (its error went to ``on_error``) or ``skipped``.
        output: the node's output; None unless completed.
    """

    node_id: str
    status: Literal["completed", "failed", "skipped"]
    output: Any


class HttpResponse(Protocol):
    """What came back from an HTTP call, body read up to the size limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    elapsed_ms: float


class HttpClient(Protocol):
    """HTTP behind the SSRF guard."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        timeout_s: float = 30.0,
        follow_redirects: bool = True,
        verify_tls: bool = True,
        max_bytes: int = 10_000_000,
    ) -> HttpResponse:
        """Send one request.

        Raises:
            NodeError: ``SSRF_BLOCKED``, ``HTTP_TIMEOUT``, ``HTTP_CONNECT``, ``HTTP_TOO_LARGE`` or ``HTTP_PROTOCOL``.
        """
        ...


class DatabaseSource(Protocol):
    """A user's database, opened from a source's config; never the control database."""

    async def run(
        self,
        statements: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        read_only: bool,
        timeout_s: float,
        max_rows: int,
        effect: str | None = None,
    ) -> Sequence[QueryResult]:
        """Run statements with bound ``:name`` parameters in one transaction; all or none.

        With ``effect``, a key, they are committed once for ever, and asked for again give the results of then.

        Raises:
            NodeError: ``DB_CONNECT``, ``DB_QUERY``, ``DB_TIMEOUT``, ``DB_READ_ONLY`` or ``DB_FORBIDDEN``.
        """
        ...

    async def remembers(self) -> bool:
        """Tell whether the database can note effects by their key."""
        ...

    @property
    def dialect(self) -> Literal["sqlite", "postgresql", "mysql"]:
        """Which SQL it speaks."""
        ...


class ModelGateway(Protocol):
    """Chat and embedding models, chosen by source."""

    def chat(self, source: ResolvedSource | None, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; the last delta has ``final``. Without a source the local model answers.

        Raises:
            NodeError: ``MODEL_UNAVAILABLE``, ``MODEL_AUTH``, ``MODEL_RATE_LIMITED``, ``MODEL_TIMEOUT``, ``MODEL_REJECTED`` or ``MODEL_PROTOCOL``.
        """
        ...

    async def embed(self, source: ResolvedSource | None, texts: Sequence[str]) -> tuple[Sequence[Sequence[float]], Usage]:
        """Return one vector a text, in order; without a source by the local embedding model."""
        ...


class Knowledge(Protocol):
    """Document collections of the run's tenant, by name."""

    async def search(
        self,
        collection: str,
        query: str | Sequence[float],
        *,
        top_k: int,
        min_score: float,
        where: Mapping[str, Any] | None,
        hybrid: bool,
    ) -> Sequence[Match]:
        """Return the nearest chunks, best first.

        Raises:
            NodeError: ``COLLECTION_NOT_FOUND`` or ``EMBEDDING_UNAVAILABLE``.
        """
        ...

    async def upsert(
        self, collection: str, documents: Sequence[Mapping[str, Any]], *, chunk_size: int, chunk_overlap: int, create: bool
    ) -> Sequence[str]:
        """Chunk, embed and store documents ``{"id"?, "text", "metadata"?}``; returns the document ids. The same id replaces."""
        ...


@dataclass(frozen=True, slots=True)
class ChildRun:
    """How a child run ended."""

    run_id: str
    status: str
    outputs: Any
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Question:
    """What a node waits for: the answer of a person, or an event.

    Attributes:
        kind: who answers.
        request: what is asked, as people and programs see it.
        assignees: who may answer: ``user:NAME``, ``role:NAME``, ``group:NAME``; empty means everybody who may answer runs.
        expires_in_s: seconds until nobody may answer any more, or None.
        escalate_in_s: seconds until ``request["escalate_to"]`` may answer too, or None.
        event_name: name of the event that is awaited.
        event_key: tells apart events of one name; None means any.
    """

    kind: Literal["human", "event"]
    request: Mapping[str, Any]
    assignees: Sequence[str] = ()
    expires_in_s: float | None = None
    escalate_in_s: float | None = None
    event_name: str | None = None
    event_key: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a question was settled.

    Attributes:
        status: ``answered``, or ``expired`` when nobody did in time.
        answer: ``decision``, ``values`` and ``comment`` of an answer; empty when expired.
        by: who answered.
        at: when it was answered, or expired.
    """

    status: Literal["answered", "expired"]
    answer: Mapping[str, Any]
    by: str | None
    at: datetime | None


class NodeContext(Protocol):
    """The world as one attempt of one node sees it."""

    tenant_id: str
    run_id: str
    node_id: str
    attempt: int
    """1 for the first attempt."""
    key: str
    """Stable over attempts and recoveries: run id, node id, iteration; sent as ``Idempotency-Key`` by keyed effects."""
    started_at: datetime
    """When this execution of the node first began; a recovery sees the first time, so that a delay does not begin anew."""
    inputs: Mapping[str, Any]
    """The run's validated inputs."""
    parts: Sequence[Part]
    """What the incoming branches brought, in the order of the edges in the specification."""
    source: ResolvedSource | None
    """The node's source, or None when it names none."""
    http: HttpClient
    models: ModelGateway
    knowledge: Knowledge

    def database(self) -> DatabaseSource:
        """Return the database of ``source``.

        Raises:
            NodeError: ``DB_CONFIG`` when the source does not describe a database we may use.
        """
        ...

    def token(self, text: str) -> None:
        """Stream a piece of text to whoever is watching (``node.token``); it is not stored."""
        ...

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Tell how far the node is (``node.progress``); ``fraction`` in 0..1 or None."""
        ...

    def log(self, message: str, level: Literal["debug", "info", "warning", "error"] = "info", **data: Any) -> None:
        """Add a line to the run's log (``log`` event)."""
        ...

    def use(self, usage: Usage) -> None:
        """Count what a model call used towards the node, the run and its limits.

        Raises:
            NodeError: ``LIMIT_EXCEEDED`` when the run's ``max_tokens`` or ``max_cost_usd`` is passed.
        """
        ...

    async def cannot_repeat(self) -> None:
        """Say, before the effect, that this execution is of class ``once`` although its type is ``transactional``; returns when that is stored.

        After a crash a person is asked then what became of it.
        """
        ...

    async def ask(self, question: Question) -> Reply:
        """Wait for a person or an event, for as long as it takes; nothing is held meanwhile.

        The node is stopped and its ``run`` begins anew when there is a reply, then this returns at once: have no effect before it.
        """
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Wait until a moment. A long wait is like ``ask``: the node is stopped and begins anew."""
        ...

    async def run_child(self, workflow: str, inputs: Mapping[str, Any], version: int | Literal["latest"]) -> ChildRun:
        """Run another workflow (by id or name) as a child and wait for its end; a recovery finds the same child again.

        Raises:
            NodeError: ``WORKFLOW_NOT_FOUND``, ``DEPTH_EXCEEDED`` or ``INVALID_INPUTS``.
        """
        ...
