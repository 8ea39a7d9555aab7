"""Collections of documents: create, fill, search, delete. A model is never called inside a transaction."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.knowledge.chunkers import Chunk
from agentflow.knowledge.collections import ingest, repository
from agentflow.knowledge.collections.errors import CollectionExists
from agentflow.knowledge.collections.ingest import Chunking, NewDocument
from agentflow.knowledge.collections.models import CollectionRow, DocumentRow
from agentflow.knowledge.collections.schemas import (
    Collection,
    CollectionCreate,
    Document,
    DocumentsAdd,
    DocumentsAdded,
    SearchRequest,
)
from agentflow.knowledge.embedders import embedder
from agentflow.knowledge.parsers import parse as parsers
from agentflow.knowledge.vector_stores.base import IndexedChunk, IndexKey, Match, VectorQuery, check_query_vector
from agentflow.knowledge.vector_stores.exact import ExactVectorStore


class CollectionService:
    """The use cases of collections.

    Args:
        database: where everything is stored.
        clock: what time stamps come from.
        once: creates things at most once per idempotency key.
        trail: where changes are written down.
    """

    def __init__(self, database: Database, clock: Clock, once: Once, trail: Trail) -> None:
        self._database = database
        self._trail = trail
        self._clock = clock
        self._once = once
        self._vectors = ExactVectorStore(self._load)

    async def create(self, subject: Subject, new: CollectionCreate, *, idempotency: Idempotency | None = None) -> Collection:
        """Create an empty collection.

        Raises:
            CollectionExists: the tenant has one of this name.
            UnknownEmbeddingModel: there is no such model.
            IdempotencyKeyReused: the key was used with another request.
        """
        model = embedder(new.embedding_model)
        now = self._clock.now()
        row = {
            "id": new_id(),
            "tenant_id": subject.tenant_id,
            "name": new.name,
            "description": new.description,
            "embedding_model": model.name,
            "dimension": model.dimension,
            "version": 0,
            "document_count": 0,
            "chunk_count": 0,
            "created_at": now,
            "updated_at": now,
        }

        async def make(session: AsyncSession) -> Collection:
            await repository.create(session, row)
            await self._trail.add(session, subject, Deed("collection.created", str(row["id"]), {"name": new.name}))
            return _collection(CollectionRow(**row))

        try:
            return await self._once.create(subject.tenant_id, idempotency, Collection, make)
        except IntegrityError as error:
            raise CollectionExists(f"There is a collection {new.name} already.", hint="Add to it, or choose another name.") from error

    async def get(self, subject: Subject, ref: str) -> Collection:
        """Return a collection by id or name.

        Raises:
            CollectionNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return _collection(await repository.get(session, subject, ref))

    async def exists(self, subject: Subject, collection_id: str) -> bool:
        """Tell whether the tenant has a collection of this id."""
        async with self._database.reading(subject.tenant_id) as session:
            return await repository.exists(session, subject, collection_id)

    async def list(self, subject: Subject, page: PageRequest) -> Page[Collection]:
        """Return one page of collections by name.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.listing(subject.tenant_id) as session:
            found = await repository.list_collections(session, subject, page)
        return Page([_collection(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a collection with all it holds.

        Raises:
            CollectionNotFound: the tenant has none.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref)
            await repository.remove(session, subject, row.id)
            await self._trail.add(session, subject, Deed("collection.deleted", row.id, {"name": row.name}))
        self._vectors.forget(subject.tenant_id, row.id)

    async def add(
        self, subject: Subject, ref: str, new: DocumentsAdd, *, key: str | None = None, idempotency: Idempotency | None = None
    ) -> DocumentsAdded:
        """Chunk, embed and store texts; a document with the same id is replaced, an unchanged one is left alone.

        Args:
            subject: who adds.
            ref: id or name of the collection.
            new: the documents.
            key: what the ids of documents without one derive from; by default the idempotency key.
            idempotency: the request's key, if it has one.

        Raises:
            CollectionNotFound: the tenant has none.
            UnsupportedDocument: a content type is none of text.
            InvalidDocument: a text cannot be read.
            DocumentTooLarge: the documents make too many chunks.
            EmbeddingUnavailable: the collection's model cannot be used here.
            IdempotencyKeyReused: the key was used with another request.
        """
        await self.get(subject, ref)  # refused before any text is read
        documents = await ingest.parse_inputs(new.documents, key or (idempotency.key if idempotency else None))
        return await self._store(subject, ref, documents, Chunking(new.chunk_size, new.chunk_overlap), idempotency)

    async def add_file(
        self,
        subject: Subject,
        ref: str,
        data: bytes,
        *,
        filename: str | None,
        declared_type: str | None,
        document_id: str | None,
        metadata: dict[str, Any],
        chunking: Chunking,
        idempotency: Idempotency | None = None,
    ) -> DocumentsAdded:
        """Store one file, under its name unless ``document_id`` says otherwise; raises as ``add``."""
        await self.get(subject, ref)
        media_type, charset = parsers.content_type(declared_type, filename, data)
        parsed = await parsers.parse(data, media_type, charset)
        facts = {**parsed.metadata, **({"filename": filename} if filename else {}), **metadata}
        document = NewDocument(document_id or filename or new_id(), parsed, media_type, facts)
        return await self._store(subject, ref, [document], chunking, idempotency)

    async def _store(
        self, subject: Subject, ref: str, documents: Sequence[NewDocument], chunking: Chunking, idempotency: Idempotency | None
    ) -> DocumentsAdded:
        async with self._database.reading(subject.tenant_id) as session:
            collection = await repository.get(session, subject, ref)
            known = await repository.documents(session, subject, collection.id, [document.id for document in documents])
        digests = {document.id: document.digest(chunking) for document in documents}
        changed = [document for document in documents if document.id not in known or known[document.id].digest != digests[document.id]]
        cut = await ingest.make_chunks(changed, chunking)
        made = await ingest.embed(collection.embedding_model, [ingest.searchable(piece) for pieces in cut for piece in pieces])
        vectors = iter(made.vectors.astype("<f4"))
        now = self._clock.now()
        rows, chunk_rows = [], []
        for document, pieces in zip(changed, cut, strict=True):
            owned = {"tenant_id": subject.tenant_id, "collection_id": collection.id}
            first = known[document.id].created_at if document.id in known else now
            rows.append(
                {**owned, **_document_row(document, len(pieces)), "digest": digests[document.id], "created_at": first, "updated_at": now}
            )
            chunk_rows += [
                {**owned, **_chunk_row(document.id, position, piece), "vector": next(vectors).tobytes()}
                for position, piece in enumerate(pieces)
            ]

        async def make(session: AsyncSession) -> DocumentsAdded:
            if rows:
                await repository.lock(session, subject, collection.id, now)
                await repository.replace(session, subject, collection.id, rows, chunk_rows)
                said = {"name": collection.name, "documents": len(rows), "sha256": _digest(digests.values())}
                await self._trail.add(session, subject, Deed("collection.filled", collection.id, said))
            stored = {row["id"]: _document(row) for row in rows}
            return DocumentsAdded(items=[stored.get(document.id) or _stored(known[document.id]) for document in documents])

        return await self._once.create(subject.tenant_id, idempotency, DocumentsAdded, make)

    async def list_documents(self, subject: Subject, ref: str, page: PageRequest) -> Page[Document]:
        """Return one page of a collection's documents by id.

        Raises:
            CollectionNotFound: the tenant has none.
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.reading(subject.tenant_id) as session:
            collection = await repository.get(session, subject, ref)
            found = await repository.list_documents(session, subject, collection.id, page)
        return Page([_stored(row) for row in found.items], found.next_cursor, found.total)

    async def delete_document(self, subject: Subject, ref: str, document_id: str) -> None:
        """Delete a document with its chunks.

        Raises:
            CollectionNotFound: the tenant has no such collection.
            DocumentNotFound: the collection has no such document.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            collection = await repository.get(session, subject, ref)
            await repository.lock(session, subject, collection.id, self._clock.now())
            await repository.get_document(session, subject, collection.id, document_id)
            await repository.remove_document(session, subject, collection.id, document_id)
            said = {"name": collection.name, "document_sha256": _digest([document_id.encode()])}
            await self._trail.add(session, subject, Deed("collection.document-deleted", collection.id, said))

    async def search(self, subject: Subject, ref: str, wanted: SearchRequest) -> Sequence[Match]:
        """Return the nearest chunks, best first.

        Raises:
            CollectionNotFound: the tenant has none.
            InvalidFilter: ``where`` cannot be understood.
            InvalidQueryVector: a vector that the collection's cannot be compared with.
            EmbeddingUnavailable: the collection's model cannot be used here.
        """
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref)
        if isinstance(wanted.query, str):
            text, vector = wanted.query, (await ingest.embed(row.embedding_model, [wanted.query])).vectors[0].tolist()
        else:
            text, vector = None, wanted.query
            check_query_vector(vector, row.dimension)  # also where there is nothing yet to compare it with
        query = VectorQuery(vector, text, wanted.top_k, wanted.min_score, wanted.where, wanted.hybrid)
        return await self._vectors.search(IndexKey(row.tenant_id, row.id, row.version), query)

    async def _load(self, key: IndexKey) -> Sequence[IndexedChunk]:
        async with self._database.reading(key.tenant_id) as session:
            return await repository.load_chunks(session, key)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _document_row(document: NewDocument, chunks: int) -> dict[str, Any]:
    return {
        "id": document.id,
        "facts": dict(document.metadata),
        "content_type": document.content_type,
        "characters": len(document.parsed.text),
        "chunk_count": chunks,
    }


def _chunk_row(document_id: str, position: int, piece: Chunk) -> dict[str, Any]:
    return {"document_id": document_id, "position": position, "text": piece.text, "place": ingest.place(piece)}


def _document(row: Mapping[str, Any]) -> Document:
    return Document(metadata=row["facts"], **{name: row[name] for name in Document.model_fields if name != "metadata"})


def _stored(row: DocumentRow) -> Document:
    return _document({column.key: getattr(row, column.key) for column in DocumentRow.__mapper__.column_attrs})


def _collection(row: CollectionRow) -> Collection:
    return Collection(**{name: getattr(row, name) for name in Collection.model_fields})
