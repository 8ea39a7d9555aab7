"""Every query over collections; each is scoped to the subject's tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import ResourceKind, Subject
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.knowledge.collections.errors import CollectionNotFound, DocumentNotFound
from agentflow.knowledge.collections.models import ChunkRow, CollectionRow, DocumentRow
from agentflow.knowledge.vector_stores.base import IndexedChunk, IndexKey


async def find(session: AsyncSession, subject: Subject, ref: str, needs: Permission = Permission.COLLECTIONS_READ) -> CollectionRow | None:
    """Return a collection by id or name, or None; to whom only some are granted with ``needs``, the others are not there."""
    by = CollectionRow.id == ref if is_id(ref) else CollectionRow.name == ref
    query = scoped(CollectionRow, subject.tenant_id).where(by, *_granted(subject, needs))
    return (await session.execute(query)).scalar_one_or_none()


def _granted(subject: Subject, needs: Permission) -> list[ColumnElement[bool]]:
    """Return the condition that leaves the collections on which the caller has a permission.

    Who has none on any single one was let in by the gate, or acts for a run: the condition is for those with grants.
    """
    ids = subject.granted(needs, ResourceKind.COLLECTION) if subject.grants else None
    return [] if ids is None else [CollectionRow.id.in_(sorted(ids))]


async def exists(session: AsyncSession, subject: Subject, collection_id: str) -> bool:
    """Tell whether the tenant has a collection of this id."""
    query = scoped(CollectionRow, subject.tenant_id).with_only_columns(CollectionRow.id)
    return (await session.execute(query.where(CollectionRow.id == collection_id))).first() is not None


async def get(session: AsyncSession, subject: Subject, ref: str) -> CollectionRow:
    """Return a collection by id or name.

    Raises:
        CollectionNotFound: there is none.
    """
    row = await find(session, subject, ref)
    if row is None:
        raise not_found(ref)
    return row


def not_found(ref: str) -> CollectionNotFound:
    """Return the error that says there is no such collection."""
    return CollectionNotFound(f"There is no collection {ref[:100]}.", hint="GET /api/v1/collections lists them; POST there creates one.")


async def list_collections(session: AsyncSession, subject: Subject, page: PageRequest) -> Page[CollectionRow]:
    """Return one page of collections by name.

    Raises:
        Malformed: the cursor is of another list.
    """
    query = scoped(CollectionRow, subject.tenant_id).where(*_granted(subject, Permission.COLLECTIONS_READ))
    return await page_by(session, query, CollectionRow.name, page)


async def list_documents(session: AsyncSession, subject: Subject, collection_id: str, page: PageRequest) -> Page[DocumentRow]:
    """Return one page of a collection's documents by id.

    Raises:
        Malformed: the cursor is of another list.
    """
    query = scoped(DocumentRow, subject.tenant_id).where(DocumentRow.collection_id == collection_id)
    return await page_by(session, query, DocumentRow.id, page)


async def create(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a collection."""
    await session.execute(insert(CollectionRow).values(row))


async def remove(session: AsyncSession, subject: Subject, collection_id: str) -> None:
    """Delete a collection with all it holds."""
    await session.execute(delete(CollectionRow).where(CollectionRow.tenant_id == subject.tenant_id, CollectionRow.id == collection_id))


async def lock(session: AsyncSession, subject: Subject, collection_id: str, now: Any) -> None:
    """Raise the version of a collection; holds its row until the transaction ends, so that writers take turns.

    Raises:
        CollectionNotFound: it was deleted in the meantime.
    """
    mine = (CollectionRow.tenant_id == subject.tenant_id, CollectionRow.id == collection_id)
    change = update(CollectionRow).where(*mine).values(version=CollectionRow.version + 1, updated_at=now)
    if (await session.execute(change.returning(CollectionRow.id))).scalar_one_or_none() is None:
        raise not_found(collection_id)


async def documents(session: AsyncSession, subject: Subject, collection_id: str, ids: Sequence[str]) -> dict[str, DocumentRow]:
    """Return those of the named documents that exist, by id."""
    query = scoped(DocumentRow, subject.tenant_id).where(DocumentRow.collection_id == collection_id, DocumentRow.id.in_(ids))
    return {row.id: row for row in (await session.execute(query)).scalars()}


async def get_document(session: AsyncSession, subject: Subject, collection_id: str, document_id: str) -> DocumentRow:
    """Return a document.

    Raises:
        DocumentNotFound: the collection has none of this id.
    """
    found = await documents(session, subject, collection_id, [document_id])
    if document_id not in found:
        raise DocumentNotFound(f"The collection has no document {document_id[:200]}.", hint="GET …/documents lists them.")
    return found[document_id]


async def replace(
    session: AsyncSession, subject: Subject, collection_id: str, rows: Sequence[Mapping[str, Any]], chunks: Sequence[Mapping[str, Any]]
) -> None:
    """Write documents and their chunks in place of those with the same ids; the caller holds the lock."""
    await _drop(session, subject, collection_id, [row["id"] for row in rows])
    await session.execute(insert(DocumentRow), list(rows))
    if chunks:
        await session.execute(insert(ChunkRow), list(chunks))
    await _count(session, subject, collection_id)


async def remove_document(session: AsyncSession, subject: Subject, collection_id: str, document_id: str) -> None:
    """Delete a document and its chunks; the caller holds the lock."""
    await _drop(session, subject, collection_id, [document_id])
    await _count(session, subject, collection_id)


async def _drop(session: AsyncSession, subject: Subject, collection_id: str, ids: Sequence[str]) -> None:
    mine = (DocumentRow.tenant_id == subject.tenant_id, DocumentRow.collection_id == collection_id, DocumentRow.id.in_(ids))
    await session.execute(delete(DocumentRow).where(*mine))


async def _count(session: AsyncSession, subject: Subject, collection_id: str) -> None:
    mine = (DocumentRow.tenant_id == subject.tenant_id, DocumentRow.collection_id == collection_id)
    counted = select(func.count(), func.coalesce(func.sum(DocumentRow.chunk_count), 0)).where(*mine)
    count, chunks = (await session.execute(counted)).one()
    here = (CollectionRow.tenant_id == subject.tenant_id, CollectionRow.id == collection_id)
    await session.execute(update(CollectionRow).where(*here).values(document_count=count, chunk_count=int(chunks)))


async def load_chunks(session: AsyncSession, key: IndexKey) -> list[IndexedChunk]:
    """Return all chunks of a collection in order of document and position, each with its document's metadata."""
    facts_query = scoped(DocumentRow, key.tenant_id).where(DocumentRow.collection_id == key.collection_id)
    facts = {row.id: row.facts for row in await session.execute(facts_query.with_only_columns(DocumentRow.id, DocumentRow.facts))}
    columns = (ChunkRow.document_id, ChunkRow.position, ChunkRow.text, ChunkRow.place, ChunkRow.vector)
    query = scoped(ChunkRow, key.tenant_id).where(ChunkRow.collection_id == key.collection_id).with_only_columns(*columns)
    rows = await session.execute(query.order_by(ChunkRow.document_id, ChunkRow.position))
    return [
        IndexedChunk(f"{row.document_id}#{row.position}", row.document_id, row.text, {**facts[row.document_id], **row.place}, row.vector)
        for row in rows
        if row.document_id in facts  # a document added between the two reads counts from the next version on
    ]
