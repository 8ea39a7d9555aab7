"""Tables of collections: documents, and their chunks with vectors. The vectors' source of truth is here; indexes are made from it."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


class CollectionRow(Base, TenantOwned):
    """A named set of documents whose vectors were all made by one model."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    embedding_model: Mapped[str] = mapped_column(Text)
    dimension: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(BigInteger)
    document_count: Mapped[int] = mapped_column(Integer)
    chunk_count: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class DocumentRow(Base, TenantOwned):
    """A document; its text lives in its chunks."""

    __tablename__ = "documents"

    collection_id: Mapped[str] = mapped_column(Id, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    facts: Mapped[Any] = mapped_column("metadata", JsonText)
    content_type: Mapped[str] = mapped_column(Text)
    characters: Mapped[int] = mapped_column(Integer)
    chunk_count: Mapped[int] = mapped_column(Integer)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class ChunkRow(Base, TenantOwned):
    """A piece of a document with its vector: unit-length float32, little-endian."""

    __tablename__ = "chunks"
    __table_args__ = (
        ForeignKeyConstraint(["collection_id", "document_id"], ["documents.collection_id", "documents.id"], ondelete="CASCADE"),
    )

    collection_id: Mapped[str] = mapped_column(Id, primary_key=True)
    document_id: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
    place: Mapped[Any] = mapped_column(JsonText)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
