"""What crosses the wire about collections."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agentflow.kit import json
from agentflow.knowledge.chunkers import DEFAULT_CHUNK_OVERLAP, DEFAULT_CHUNK_SIZE
from agentflow.knowledge.embedders import AUTO

NAME = r"^[A-Za-z0-9_-]{1,100}$"
DOCUMENT_ID = r"^[^\x00-\x1f\x7f]{1,200}$"
MAX_METADATA_BYTES = 32_000
MAX_DOCUMENTS = 1_000

Metadata = Annotated[dict[str, Any], Field(description="Facts to filter by and to cite.", examples=[{"lang": "en", "year": 2024}])]
ChunkSize = Annotated[int, Field(ge=100, le=20_000, description="Longest chunk, in characters.", examples=[800])]
ChunkOverlap = Annotated[int, Field(ge=0, le=10_000, description="Characters that neighbouring chunks share.", examples=[100])]


class Wire(BaseModel):
    """Base of wire schemas: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(Wire):
    """Base of JSON bodies: values must have their type, nothing is converted."""

    model_config = ConfigDict(strict=True)


class Collection(Wire):
    """A collection of documents."""

    id: str = Field(description="UUIDv7 of the collection.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Unique name.", examples=["papers"])
    description: str | None = Field(default=None, description="What is in it.", examples=["Papers on sleep."])
    embedding_model: str = Field(description="The model that made its vectors.", examples=["all-MiniLM-L6-v2"])
    dimension: int = Field(description="Length of its vectors.", examples=[384])
    document_count: int = Field(description="Documents in it.", examples=[12])
    chunk_count: int = Field(description="Chunks in it.", examples=[240])
    created_at: datetime = Field(description="When it was created.")
    updated_at: datetime = Field(description="When its documents last changed.")


class CollectionCreate(Body):
    """What creates a collection."""

    name: str = Field(pattern=NAME, description="Unique name: letters, digits, - and _.", examples=["papers"])
    description: str | None = Field(default=None, max_length=10_000, description="What is in it.", examples=["Papers on sleep."])
    embedding_model: str = Field(
        default=AUTO,
        max_length=200,
        description="`all-MiniLM-L6-v2`, `hashing-384` (shared words only, needs no weights), or `auto`: the first that is installed.",
        examples=["auto"],
    )


class Document(Wire):
    """A document of a collection."""

    id: str = Field(description="Id, unique in its collection.", examples=["guide.md"])
    content_type: str = Field(description="Its format.", examples=["text/markdown"])
    metadata: Metadata
    characters: int = Field(description="Length of its text.", examples=[5_120])
    chunk_count: int = Field(description="Chunks it was cut into.", examples=[8])
    created_at: datetime = Field(description="When it was first added.")
    updated_at: datetime = Field(description="When it last changed.")


class DocumentInput(Body):
    """A document to add; one with the same id is replaced."""

    id: str | None = Field(
        default=None, pattern=DOCUMENT_ID, description="Id, unique in the collection; made up when null.", examples=["guide.md"]
    )
    text: str = Field(max_length=10_000_000, description="Its text.", examples=["# Guide\n\nHow to begin."])
    content_type: str | None = Field(
        default=None,
        max_length=200,
        description="Format of the text; by the id's extension when null, else plain text.",
        examples=["text/markdown"],
    )
    metadata: Metadata = Field(default_factory=dict)

    @field_validator("metadata")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        return checked_metadata(value)


class DocumentsAdd(Body):
    """Documents to add."""

    documents: list[DocumentInput] = Field(min_length=1, max_length=MAX_DOCUMENTS, description="The documents.")
    chunk_size: ChunkSize = DEFAULT_CHUNK_SIZE
    chunk_overlap: ChunkOverlap = DEFAULT_CHUNK_OVERLAP

    @classmethod
    def inlined(cls) -> dict[str, Any]:
        """Return the JSON Schema without definitions of its own, so that it can stand anywhere in a larger document."""
        schema = cls.model_json_schema()
        documents = {**schema["properties"]["documents"], "items": schema["$defs"]["DocumentInput"]}
        properties = {**schema["properties"], "documents": documents}
        return {name: value for name, value in schema.items() if name != "$defs"} | {"properties": properties}


class FileFields(Wire):
    """The fields of a form beside its file."""

    id: str | None = Field(
        default=None, pattern=DOCUMENT_ID, description="Id of the document; the file's name when absent.", examples=["guide.md"]
    )
    content_type: str | None = Field(
        default=None,
        max_length=200,
        description="The file's format, where its own header and name do not tell.",
        examples=["text/markdown"],
    )
    metadata: Metadata = Field(default_factory=dict)
    chunk_size: ChunkSize = DEFAULT_CHUNK_SIZE
    chunk_overlap: ChunkOverlap = DEFAULT_CHUNK_OVERLAP

    @field_validator("metadata")
    @classmethod
    def _small(cls, value: dict[str, Any]) -> dict[str, Any]:
        return checked_metadata(value)

    @classmethod
    def with_file(cls) -> dict[str, Any]:
        """Return the JSON Schema of the whole form."""
        schema = cls.model_json_schema()
        file = {"type": "string", "format": "binary", "description": "The file."}
        metadata = {"type": "string", "description": "Facts to filter by and to cite, as a JSON object.", "examples": ['{"lang": "en"}']}
        return {**schema, "properties": {"file": file, **schema["properties"], "metadata": metadata}, "required": ["file"]}


class DocumentsAdded(Wire):
    """The documents as stored."""

    items: list[Document] = Field(description="In the order in which they were sent.")


class SearchRequest(Body):
    """What to look for."""

    query: Annotated[str, Field(min_length=1, max_length=20_000)] | list[float] = Field(
        description="A text, or a vector made by the collection's model.", examples=["How do I begin?"]
    )
    top_k: int = Field(default=5, ge=1, le=100, description="Most matches to return.", examples=[5])
    min_score: float = Field(default=0.0, ge=0, le=1, description="Least similarity of a match.", examples=[0.25])
    where: dict[str, Any] | None = Field(
        default=None,
        description="Metadata filter, applied before the nearest are chosen.",
        examples=[{"lang": "en", "year": {"$gte": 2020}}],
    )
    hybrid: bool = Field(
        default=False, description="Rank by words as well as by meaning; `score` is then the fused rank, 1 for first in both."
    )


class SearchMatch(Wire):
    """One hit."""

    id: str = Field(description="Id of the chunk.", examples=["guide.md#0"])
    text: str = Field(description="The chunk.", examples=["How to begin."])
    score: float = Field(description="Similarity, 0 to 1, higher is nearer.", examples=[0.71])
    metadata: dict[str, Any] = Field(
        description="The document's metadata, with `heading`, `page`, `start` and `end` of the chunk.",
        examples=[{"heading": "Guide", "start": 9, "end": 22}],
    )
    document_id: str = Field(description="The document.", examples=["guide.md"])


class SearchResult(Wire):
    """What was found, best first."""

    matches: list[SearchMatch] = Field(description="The hits.")


def checked_metadata(value: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that can be stored; raises ValueError for what cannot or is too large."""
    json.check(value, max_depth=20)
    if len(json.dump_bytes(value)) > MAX_METADATA_BYTES:
        raise ValueError(f"metadata may have {MAX_METADATA_BYTES} bytes of JSON")
    return value
