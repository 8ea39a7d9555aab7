"""Collections on both databases; most use the hashing model, which is quick."""

import asyncio

import pytest
from sqlalchemy import func, select

from agentflow.errors import Malformed
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import IdempotencyKeyReused
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import PageRequest
from agentflow.knowledge import embedders
from agentflow.knowledge.collections import ingest
from agentflow.knowledge.collections.errors import (
    CollectionExists,
    CollectionNotFound,
    DocumentNotFound,
    EmbeddingMismatch,
    EmbeddingUnavailable,
)
from agentflow.knowledge.collections.models import ChunkRow
from agentflow.knowledge.collections.schemas import CollectionCreate, DocumentsAdd, SearchRequest
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.documents import DocumentTooLarge, UnsupportedDocument
from agentflow.knowledge.embedders import UnknownEmbeddingModel
from agentflow.knowledge.vector_stores.base import InvalidQueryVector
from agentflow.sources.embeddings import minilm

HASHING = "hashing-384"
GUIDE = "# Guide\n\nHow to begin.\n\n## Apples\n\nApples are red fruit.\n\n## Motors\n\nMotors need oil.\n"


async def make(collections: CollectionService, subject: Subject, name: str = "papers", model: str = HASHING) -> str:
    return (await collections.create(subject, CollectionCreate(name=name, embedding_model=model))).id


def docs(*documents: dict[str, object], **options: object) -> DocumentsAdd:
    return DocumentsAdd.model_validate({"documents": list(documents), **options})


async def texts(collections: CollectionService, subject: Subject, query: str, **options: object) -> list[str]:
    found = await collections.search(subject, "papers", SearchRequest(query=query, **options))
    return [match.text for match in found]


async def test_documents_are_found_by_meaning(collections: CollectionService, subject: Subject) -> None:
    """With the real model, the passage that answers comes first, with its heading, offsets and document."""
    await make(collections, subject, model="auto")
    await collections.add(subject, "papers", docs({"id": "guide.md", "text": GUIDE, "metadata": {"lang": "en"}}))
    best = (await collections.search(subject, "papers", SearchRequest(query="Which lubricant does an engine want?")))[0]
    assert (best.id, best.document_id, best.text) == ("guide.md#2", "guide.md", "Motors need oil.")
    assert best.metadata == {"lang": "en", "heading": "Guide > Motors", "start": GUIDE.index("Motors need"), "end": len(GUIDE) - 1}
    assert 0 < best.score <= 1


async def test_counts_follow_the_documents(collections: CollectionService, subject: Subject) -> None:
    """Adding, replacing and deleting documents keep the collection's counts right."""
    ref = await make(collections, subject)
    await collections.add(subject, ref, docs({"id": "a.md", "text": GUIDE}, {"id": "b", "text": "plain"}))
    first = await collections.get(subject, "papers")
    assert (first.document_count, first.chunk_count) == (2, 4)
    await collections.add(subject, ref, docs({"id": "a.md", "text": "now short"}))
    await collections.delete_document(subject, ref, "b")
    second = await collections.get(subject, ref)
    assert (second.document_count, second.chunk_count) == (1, 1)


async def test_same_id_replaces(collections: CollectionService, subject: Subject, database: Database) -> None:
    """A document that is added again is found as it is now, and nothing of the old one stays."""
    await make(collections, subject)
    await collections.add(subject, "papers", docs({"id": "a", "text": "apple"}))
    assert await texts(collections, subject, "apple") == ["apple"]
    await collections.add(subject, "papers", docs({"id": "a", "text": "motor"}))
    assert await texts(collections, subject, "apple") == ["motor"]
    async with database.reading() as session:
        mine = select(func.count()).select_from(ChunkRow).where(ChunkRow.tenant_id == subject.tenant_id)
        assert await session.scalar(mine) == 1


async def test_unchanged_documents_are_not_made_anew(
    collections: CollectionService, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indexing the same again embeds nothing; another chunk size or other metadata does."""
    await make(collections, subject)
    before = await collections.add(subject, "papers", docs({"id": "a", "text": "apple"}))
    embedded: list[str] = []
    embed = ingest.embed

    async def watched(model: str, wanted: list[str]) -> object:
        embedded.extend(wanted)
        return await embed(model, wanted)

    monkeypatch.setattr(ingest, "embed", watched)
    assert await collections.add(subject, "papers", docs({"id": "a", "text": "apple"})) == before
    assert embedded == []
    await collections.add(subject, "papers", docs({"id": "a", "text": "apple"}, chunk_size=500))
    await collections.add(subject, "papers", docs({"id": "a", "text": "apple", "metadata": {"x": 1}}, chunk_size=500))
    assert embedded == ["apple", "apple"]


async def test_deleted_is_gone(collections: CollectionService, subject: Subject, database: Database) -> None:
    """S150: deleting a collection takes its documents and chunks along."""
    ref = await make(collections, subject)
    await collections.add(subject, ref, docs({"id": "a", "text": "apple"}))
    await collections.delete(subject, "papers")
    with pytest.raises(CollectionNotFound):
        await collections.get(subject, ref)
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ChunkRow).where(ChunkRow.tenant_id == subject.tenant_id)) == 0


async def test_tenants_see_only_their_own(collections: CollectionService, subject: Subject) -> None:
    """S150: another tenant finds nothing, neither by name nor by id, and may use the same name."""
    other = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    ref = await make(collections, subject)
    for name in ("papers", ref):
        for attempt in (
            collections.get(other, name),
            collections.delete(other, name),
            collections.search(other, name, SearchRequest(query="x")),
            collections.add(other, name, docs({"text": "x"})),
            collections.list_documents(other, name, PageRequest()),
            collections.delete_document(other, name, "a"),
        ):
            with pytest.raises(CollectionNotFound):
                await attempt
    await make(collections, other)
    assert (await collections.list(subject, PageRequest(count=True))).total == 1


async def test_names_are_unique(collections: CollectionService, subject: Subject) -> None:
    """A second collection of one name is refused, also when both come at once."""
    outcomes = await asyncio.gather(*(make(collections, subject) for _ in range(3)), return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CollectionExists) for outcome in outcomes) == 2


async def test_key_makes_requests_repeatable(collections: CollectionService, subject: Subject) -> None:
    """The same key creates once and gives the same ids; with another request it is refused."""
    new = CollectionCreate(name="papers", embedding_model=HASHING)
    key, other = Idempotency("k", "1"), Idempotency("k", "2")
    assert await collections.create(subject, new, idempotency=key) == await collections.create(subject, new, idempotency=key)
    with pytest.raises(IdempotencyKeyReused):
        await collections.create(subject, CollectionCreate(name="other"), idempotency=other)
    adding = Idempotency("add", "1")
    first = await collections.add(subject, "papers", docs({"text": "a"}, {"text": "b"}), idempotency=adding)
    assert await collections.add(subject, "papers", docs({"text": "a"}, {"text": "b"}), idempotency=adding) == first
    assert (await collections.get(subject, "papers")).document_count == 2


async def test_writers_take_turns(collections: CollectionService, subject: Subject) -> None:
    """Many writers of the same documents at once leave exactly one of each."""
    await make(collections, subject)
    await asyncio.gather(
        *(collections.add(subject, "papers", docs({"id": "a", "text": f"text {n}"}, {"id": f"b{n}", "text": "x"})) for n in range(8))
    )
    found = await collections.get(subject, "papers")
    assert (found.document_count, found.chunk_count) == (9, 9)
    assert len(await texts(collections, subject, "text x", top_k=100)) == 9


async def test_lists_are_paged(collections: CollectionService, subject: Subject) -> None:
    """Pages follow one another by cursor and by number, in both orders; a foreign cursor is refused."""
    await make(collections, subject)
    await collections.add(subject, "papers", docs(*({"id": f"d{n}", "text": "x"} for n in range(5))))
    first = await collections.list_documents(subject, "papers", PageRequest(limit=2, count=True))
    second = await collections.list_documents(subject, "papers", PageRequest(limit=2, cursor=first.next_cursor))
    third = await collections.list_documents(subject, "papers", PageRequest(limit=2, page=3))
    assert [[item.id for item in page.items] for page in (first, second, third)] == [["d0", "d1"], ["d2", "d3"], ["d4"]]
    assert (first.total, third.next_cursor) == (5, None)
    backwards = await collections.list_documents(subject, "papers", PageRequest(limit=2, sort="id:desc"))
    onwards = await collections.list_documents(subject, "papers", PageRequest(limit=2, sort="id:desc", cursor=backwards.next_cursor))
    assert [item.id for item in (*backwards.items, *onwards.items)] == ["d4", "d3", "d2", "d1"]
    for bad in (PageRequest(cursor="nonsense"), PageRequest(sort="size")):
        with pytest.raises(Malformed):
            await collections.list_documents(subject, "papers", bad)
    with pytest.raises(Malformed):
        await collections.list(subject, PageRequest(cursor=first.next_cursor))


async def test_filter_threshold_and_hybrid_reach_the_search(collections: CollectionService, subject: Subject) -> None:
    """Search options have their effect on stored documents."""
    await make(collections, subject)
    await collections.add(
        subject,
        "papers",
        docs({"id": "a", "text": "apple pie", "metadata": {"lang": "en"}}, {"id": "b", "text": "apple", "metadata": {"lang": "de"}}),
    )
    assert await texts(collections, subject, "apple", where={"lang": "en"}, top_k=1) == ["apple pie"]
    assert await texts(collections, subject, "apple", min_score=0.99) == ["apple"]
    assert await texts(collections, subject, "pie", hybrid=True, top_k=1) == ["apple pie"]


async def test_files_are_stored_under_their_name(collections: CollectionService, subject: Subject) -> None:
    """A file's type is told by its name, its title becomes metadata, and sending it again replaces it."""
    await make(collections, subject)
    for text in ("# Old\n\nOld words.", "# New\n\nNew words."):
        await collections.add_file(
            subject,
            "papers",
            text.encode(),
            filename="guide.md",
            declared_type="application/octet-stream",
            document_id=None,
            metadata={"lang": "en"},
            chunking=ingest.Chunking(800, 100),
        )
    stored = (await collections.list_documents(subject, "papers", PageRequest())).items
    assert [(item.id, item.content_type, item.metadata) for item in stored] == [
        ("guide.md", "text/markdown", {"title": "New", "filename": "guide.md", "lang": "en"})
    ]
    assert await texts(collections, subject, "words") == ["New words."]


async def test_bad_input_is_typed(collections: CollectionService, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown models, missing documents, wrong types and vectors, and too many chunks each have their error."""
    with pytest.raises(UnknownEmbeddingModel):
        await make(collections, subject, model="gpt-9")
    await make(collections, subject)
    with pytest.raises(DocumentNotFound):
        await collections.delete_document(subject, "papers", "none")
    with pytest.raises(UnsupportedDocument):
        await collections.add(subject, "papers", docs({"text": "x", "content_type": "image/png"}))
    await collections.add(subject, "papers", docs({"text": "x"}))
    with pytest.raises(InvalidQueryVector):
        await collections.search(subject, "papers", SearchRequest(query=[1.0, 2.0]))
    monkeypatch.setattr(ingest, "MAX_CHUNKS", 2)
    with pytest.raises(DocumentTooLarge):
        await collections.add(subject, "papers", docs({"text": "word " * 200}, chunk_size=100))


async def test_missing_weights_never_change_a_collection(
    collections: CollectionService, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new collection falls back to hashing and records that; one made with MiniLM refuses to go on without it."""
    await make(collections, subject, "real", model="auto")
    monkeypatch.setattr(minilm, "missing_parts", lambda: ["onnxruntime"])
    assert (await collections.create(subject, CollectionCreate(name="fallback"))).embedding_model == HASHING
    assert (await collections.get(subject, "real")).embedding_model == "all-MiniLM-L6-v2"
    with pytest.raises(EmbeddingUnavailable, match="onnxruntime"):
        await collections.search(subject, "real", SearchRequest(query="x"))


async def test_vectors_of_another_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a model's name come to mean another model, no vector of it gets into the collection."""
    monkeypatch.setitem(embedders.EMBEDDERS, "all-MiniLM-L6-v2", embedders.HashingEmbeddings)  # type: ignore[arg-type]
    with pytest.raises(EmbeddingMismatch):
        await ingest.embed("all-MiniLM-L6-v2", ["x"])
