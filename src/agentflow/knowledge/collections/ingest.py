"""Making a document searchable: from text to chunks to vectors, before anything is written."""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.kit.ids import new_id
from agentflow.knowledge.chunkers import Chunk, chunk
from agentflow.knowledge.collections.errors import EmbeddingMismatch, EmbeddingUnavailable
from agentflow.knowledge.collections.schemas import DocumentInput
from agentflow.knowledge.documents import DocumentTooLarge, ParsedDocument
from agentflow.knowledge.embedders import embedder
from agentflow.knowledge.parsers.parse import PDF, SUPPORTED, by_name, parse_as_text
from agentflow.sources.embeddings.base import Embeddings

MAX_CHUNKS = 50_000
"""Most chunks that one request may make."""
_RECIPE = 1
"""Raised when the same document would be cut or embedded otherwise, so that unchanged documents are made anew."""
_IDS = uuid.UUID("6b1d2a60-6f0e-4f0c-9a2f-1a0f5a1c7d11")


@dataclass(frozen=True, slots=True)
class Chunking:
    """How documents are cut: longest chunk and overlap, in characters."""

    size: int
    overlap: int


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A parsed document that is to be stored under ``id``."""

    id: str
    parsed: ParsedDocument
    content_type: str
    metadata: Mapping[str, Any]

    def digest(self, chunking: Chunking) -> bytes:
        """Return a hash of all that decides what is stored; a stored document with the same hash need not be made again."""
        recipe = [_RECIPE, chunking.size, chunking.overlap, self.content_type, self.metadata, self.parsed.text]
        return hashlib.sha256(json.canonical(recipe)).digest()


def derived_id(key: str, index: int) -> str:
    """Return the id of the ``index``-th document of a request: the same for a repetition of it."""
    return str(uuid.uuid5(_IDS, f"{key}:{index}"))


async def parse_inputs(inputs: Sequence[DocumentInput], key: str | None) -> list[NewDocument]:
    """Return sent texts as documents; those without an id get one, derived from ``key`` where there is one.

    Raises:
        UnsupportedDocument: a content type is none of text.
        InvalidDocument: a text cannot be read.
    """
    documents: dict[str, NewDocument] = {}
    for index, sent in enumerate(inputs):
        kind = _media_type(sent)
        document_id = sent.id or (derived_id(key, index) if key else new_id())
        documents[document_id] = NewDocument(document_id, await parse_as_text(sent.text, kind), kind, sent.metadata)
    return list(documents.values())  # of several with one id the last counts, as if they had been sent one after another


def _media_type(sent: DocumentInput) -> str:
    if sent.content_type:
        return sent.content_type.partition(";")[0].strip().lower()
    guessed = by_name(sent.id)
    return guessed if guessed in SUPPORTED and guessed != PDF else "text/plain"


async def make_chunks(documents: Sequence[NewDocument], chunking: Chunking) -> list[list[Chunk]]:
    """Cut documents.

    Raises:
        DocumentTooLarge: together they make more than ``MAX_CHUNKS`` chunks.
    """
    cut = [await asyncio.to_thread(chunk, document.parsed, chunking.size, chunking.overlap) for document in documents]
    total = sum(map(len, cut))
    if total > MAX_CHUNKS:
        raise DocumentTooLarge(
            f"The documents make {total} chunks; {MAX_CHUNKS} are allowed at once.", hint="Send fewer documents, or larger chunks."
        )
    return cut


async def embed(model: str, texts: Sequence[str]) -> Embeddings:
    """Return vectors by the model of a collection.

    Raises:
        EmbeddingUnavailable: the model cannot be used here.
        EmbeddingMismatch: another model answered than the collection records.
    """
    try:
        made = await embedder(model).embed(texts)
    except NodeError as error:
        raise EmbeddingUnavailable(error.message, hint=error.hint, retry_after_s=error.retry_after_s) from error
    if made.model != model:
        raise EmbeddingMismatch(f"The collection's vectors are by {model}, these by {made.model}.", hint="Make a new collection.")
    return made


def searchable(piece: Chunk) -> str:
    """Return what of a chunk is embedded: its heading says what it is about."""
    return f"{piece.heading}\n{piece.text}" if piece.heading else piece.text


def place(piece: Chunk) -> dict[str, Any]:
    """Return where a chunk stands in its document, as matches tell it."""
    found: dict[str, Any] = {"start": piece.start, "end": piece.end}
    if piece.heading:
        found["heading"] = piece.heading
    if piece.page is not None:
        found["page"] = piece.page
    return found
