"""Collections as nodes see them."""

import pytest

from agentflow.errors import NodeError
from agentflow.identity.subject import Subject
from agentflow.knowledge.collections.errors import CollectionNotFound
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.retrieval import TenantKnowledge

SEARCH = {"top_k": 5, "min_score": 0.0, "where": None, "hybrid": False}
UPSERT = {"chunk_size": 800, "chunk_overlap": 100}


async def test_upsert_creates_and_search_finds(collections: CollectionService, subject: Subject) -> None:
    """A collection comes into being with its first document, only where that was asked for."""
    knowledge = TenantKnowledge(collections, subject)
    with pytest.raises(CollectionNotFound):
        await knowledge.upsert("notes", [{"text": "a"}], create=False, **UPSERT)
    assert await knowledge.upsert("notes", [{"id": "a", "text": "An apple."}], create=True, **UPSERT) == ["a"]
    assert [match.text for match in await knowledge.search("notes", "apple", **SEARCH)] == ["An apple."]


async def test_bad_calls_are_node_errors(collections: CollectionService, subject: Subject) -> None:
    """What a workflow's data makes wrong fails the node with a code, never as a fault of ours."""
    knowledge = TenantKnowledge(collections, subject)
    with pytest.raises(NodeError) as name:
        await knowledge.upsert("no spaces here", [{"text": "a"}], create=True, **UPSERT)
    with pytest.raises(NodeError) as document:
        await knowledge.upsert("notes", [{"id": "", "text": "a"}], create=True, **UPSERT)
    with pytest.raises(NodeError) as query:
        await knowledge.search("notes", "x" * 30_000, **SEARCH)
    assert [caught.value.error_code for caught in (name, document, query)] == [
        "INVALID_COLLECTION_NAME",
        "INVALID_DOCUMENT",
        "INVALID_QUERY",
    ]
