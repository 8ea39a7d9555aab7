"""The port of a vector store: what is stored, what is asked, what is found."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from agentflow.errors import Invalid


@dataclass(frozen=True, slots=True)
class Match:
    """One hit of a search; ``score`` is a similarity in 0..1, higher is nearer."""

    id: str
    text: str
    score: float
    metadata: Mapping[str, Any]
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk as a store gets it; ``vector`` is unit-length float32, little-endian."""

    id: str
    document_id: str
    text: str
    metadata: Mapping[str, Any]
    vector: bytes


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One state of one collection: a write raises ``version``, so an index of an older version is never asked."""

    tenant_id: str
    collection_id: str
    version: int


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """What to look for.

    Attributes:
        vector: the query's embedding, of the collection's dimension; need not be unit-length.
        text: the query's words; None leaves lexical search out even when ``hybrid`` is set.
        top_k: most matches to return.
        min_score: least cosine similarity, 0..1, that any match must have.
        where: metadata filter, applied before the nearest are chosen; see ``filters.compile_filter``.
        hybrid: also rank by words and fuse the two rankings.
    """

    vector: Sequence[float]
    text: str | None = None
    top_k: int = 5
    min_score: float = 0.0
    where: Mapping[str, Any] | None = None
    hybrid: bool = False


class InvalidQueryVector(Invalid):
    """A query's vector cannot be compared with those of the collection."""

    code, title = "INVALID_QUERY_VECTOR", "Invalid query vector"


def check_query_vector(vector: Sequence[float], dimension: int) -> None:
    """Raise InvalidQueryVector unless ``vector`` has ``dimension`` finite numbers."""
    if len(vector) != dimension:
        raise InvalidQueryVector(
            f"The query's vector has {len(vector)} numbers, those of the collection have {dimension}.",
            hint="Embed the query with the model that the collection was made with.",
        )
    if not all(map(math.isfinite, vector)):
        raise InvalidQueryVector("The query's vector holds something that is no finite number.")


ChunkLoader: TypeAlias = Callable[[IndexKey], Awaitable[Sequence[IndexedChunk]]]
"""Reads all chunks of one collection, in a stable order."""


class VectorStore(Protocol):
    """Finds the chunks nearest to a query."""

    async def search(self, key: IndexKey, query: VectorQuery) -> Sequence[Match]:
        """Return the best matches, best first; equal scores in stored order.

        Raises:
            InvalidFilter: ``where`` cannot be understood.
            InvalidQueryVector: the query's vector cannot be compared with those stored.
        """
        ...
