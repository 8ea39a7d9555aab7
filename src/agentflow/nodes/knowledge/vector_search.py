"""Find the passages nearest to a question."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext


class VectorSearchConfig(NodeConfig):
    """What to look for, and where."""

    query: str | list[float] = Field(
        description="A text, or a vector made by the collection's model; empty text finds nothing.", examples=["{{ inputs.question }}"]
    )
    collection: str | None = Field(
        default=None, max_length=100, description="The collection, instead of the one that the source names.", examples=["papers"]
    )
    top_k: int = Field(default=5, ge=1, le=100, description="Most matches to return.", examples=[5])
    min_score: float = Field(default=0.0, ge=0, le=1, description="Least similarity of a match, 0 to 1.", examples=[0.25])
    where: dict[str, Any] | None = Field(
        default=None,
        description="Metadata filter, applied before the nearest are chosen: equality, or `$eq $ne $gt $gte $lt $lte $in $nin $contains $exists`, "
        "joined by `$and $or $not`.",
        examples=[{"lang": "en", "year": {"$gte": 2020}}],
    )
    hybrid: bool = Field(
        default=False, description="Rank by words as well as by meaning; good for names, codes and rare terms.", examples=[True]
    )


class SearchMatch(NodeOutput):
    """One passage."""

    id: str = Field(description="Id of the chunk.")
    text: str = Field(description="The passage.")
    score: float = Field(description="Similarity, 0 to 1, higher is nearer; with `hybrid` the fused rank, 1 for first in both rankings.")
    metadata: dict[str, Any] = Field(description="The document's metadata, with `heading`, `page`, `start` and `end` of the passage.")
    document_id: str = Field(description="The document it is from.")


class VectorSearchOutput(NodeOutput):
    """What was found."""

    matches: list[SearchMatch] = Field(description="The passages, best first.")
    total: int = Field(description="How many there are.")


class VectorSearchNode(NodeType[VectorSearchConfig]):
    """Similarity search in a collection."""

    type = "vector_search"
    title = "Vector search"
    description = "Finds the passages of a collection that are nearest in meaning, with metadata filters, a threshold and a hybrid option."
    category = "knowledge"
    icon = "search"
    config_model = VectorSearchConfig
    output_model = VectorSearchOutput
    source_kinds = frozenset({"vector"})
    example = {
        "id": "search",
        "type": "vector_search",
        "source": "papers",
        "config": {"query": "{{ inputs.question }}", "top_k": 5, "min_score": 0.25},
    }

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Ask for a source unless the config names the collection."""
        return not config.get("collection")

    async def run(self, context: NodeContext, config: VectorSearchConfig) -> VectorSearchOutput:
        """Search; see the base for what it raises."""
        collection = collection_of(context, config.collection)
        if not config.query or (isinstance(config.query, str) and not config.query.strip()):
            return VectorSearchOutput(matches=[], total=0)
        found = await context.knowledge.search(
            collection,
            config.query,
            top_k=config.top_k,
            min_score=config.min_score,
            where=config.where,
            hybrid=config.hybrid,
        )
        matches = [
            SearchMatch(id=match.id, text=match.text, score=match.score, metadata=dict(match.metadata), document_id=match.document_id or "")
            for match in found
        ]
        return VectorSearchOutput(matches=matches, total=len(matches))


def collection_of(context: NodeContext, named: str | None) -> str:
    """Return the collection that a node works on: the one its config names, else its source's.

    Raises:
        NodeError: ``INVALID_SOURCE`` when neither names one.
    """
    name = named or (context.source.config.get("collection") if context.source else None)
    if not isinstance(name, str) or not name:
        raise NodeError(
            "Neither the node nor its source names a collection.",
            error_code="INVALID_SOURCE",
            hint='Give the source the config {"collection": "…"}, or set collection in the node.',
        )
    return name
