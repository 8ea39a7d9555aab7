"""Store documents, so that they can be found by meaning."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.nodes.knowledge.vector_search import collection_of
from agentflow.spec.effects import EffectClass

MAX_DOCUMENTS = 1_000


class UpsertDocument(BaseModel):
    """A document to store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = Field(
        default=None, max_length=200, description="Id, unique in the collection; derived from the run when null.", examples=["guide.md"]
    )
    text: str = Field(description="Its text.", examples=["{{ nodes.extract.text }}"])
    content_type: str | None = Field(
        default=None,
        description="Format of the text: `text/plain`, `text/markdown`, `text/html` or `text/csv`.",
        examples=["text/markdown"],
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Facts to filter by and to cite.", examples=[{"lang": "en"}])


class VectorUpsertConfig(NodeConfig):
    """What to store, and where."""

    documents: list[UpsertDocument] | None = Field(
        default=None, max_length=MAX_DOCUMENTS, description="The documents; instead of `text`.", examples=[[{"id": "a", "text": "…"}]]
    )
    text: str | None = Field(default=None, description="The text of a single document.", examples=["{{ nodes.extract.text }}"])
    id: str | None = Field(
        default=None, max_length=200, description="Id of the single document; derived from the run when null.", examples=["guide.md"]
    )
    content_type: str | None = Field(default=None, description="Format of the single document's text.", examples=["text/markdown"])
    metadata: dict[str, Any] = Field(default_factory=dict, description="Facts of the single document.", examples=[{"lang": "en"}])
    collection: str | None = Field(
        default=None, max_length=100, description="The collection, instead of the one that the source names.", examples=["papers"]
    )
    chunk_size: int = Field(default=800, ge=100, le=20_000, description="Longest chunk, in characters.", examples=[800])
    chunk_overlap: int = Field(default=100, ge=0, le=10_000, description="Characters that neighbouring chunks share.", examples=[100])
    create: bool = Field(default=True, description="Create the collection when there is none.", examples=[True])

    @model_validator(mode="after")
    def _one_way(self) -> "VectorUpsertConfig":
        if (self.documents is None) == (self.text is None):
            raise ValueError("give either documents or text")
        if self.documents is not None and (self.id is not None or self.metadata or self.content_type is not None):
            raise ValueError("id, metadata and content_type go with text; with documents, each has its own")
        return self


class VectorUpsertOutput(NodeOutput):
    """What was stored."""

    ids: list[str] = Field(description="Ids of the documents, in order.")
    collection: str = Field(description="The collection they are in.")


class VectorUpsertNode(NodeType[VectorUpsertConfig]):
    """Chunks, embeds and stores documents."""

    type = "vector_upsert"
    title = "Store documents"
    description = "Chunks, embeds and stores documents in a collection; a document with the same id is replaced."
    category = "knowledge"
    icon = "database-zap"
    config_model = VectorUpsertConfig
    output_model = VectorUpsertOutput
    effect_class = EffectClass.KEYED
    source_kinds = frozenset({"vector"})
    example = {
        "id": "store",
        "type": "vector_upsert",
        "config": {"collection": "papers", "text": "{{ inputs.text }}", "metadata": {"title": "{{ inputs.title }}"}},
    }

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Ask for a source unless the config names the collection."""
        return not config.get("collection")

    async def run(self, context: NodeContext, config: VectorUpsertConfig) -> VectorUpsertOutput:
        """Store the documents; running again replaces them by themselves. See the base for what it raises."""
        collection = collection_of(context, config.collection)
        documents = [document.model_dump() for document in _documents(config)]
        for index, document in enumerate(documents):
            # The same in every attempt and after a crash, so that nothing is ever stored twice.
            document["id"] = document["id"] or f"{context.key}:{index}"[-200:]
        if not documents:
            return VectorUpsertOutput(ids=[], collection=collection)
        ids = await context.knowledge.upsert(
            collection, documents, chunk_size=config.chunk_size, chunk_overlap=config.chunk_overlap, create=config.create
        )
        return VectorUpsertOutput(ids=list(ids), collection=collection)


def _documents(config: VectorUpsertConfig) -> list[UpsertDocument]:
    if config.documents is not None:
        return config.documents
    return [UpsertDocument(id=config.id, text=config.text or "", content_type=config.content_type, metadata=config.metadata)]
