"""Storing and finding documents from a workflow."""

from typing import Any

import pytest

from agentflow.errors import AgentFlowError, NodeError
from agentflow.identity.subject import Subject
from agentflow.knowledge.collections.schemas import CollectionCreate
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.retrieval import TenantKnowledge
from agentflow.nodes.context import ResolvedSource
from agentflow.nodes.knowledge.vector_search import VectorSearchConfig, VectorSearchNode, VectorSearchOutput
from agentflow.nodes.knowledge.vector_upsert import VectorUpsertConfig, VectorUpsertNode
from tests.nodes.context import FakeContext

PAPERS = ResolvedSource("papers", "vector", {"collection": "papers"})


@pytest.fixture
async def context(collections: CollectionService, subject: Subject) -> FakeContext:
    await collections.create(subject, CollectionCreate(name="papers", embedding_model="hashing-384"))
    return FakeContext(knowledge=TenantKnowledge(collections, subject), source=PAPERS)


async def store(context: FakeContext, **config: Any) -> list[str]:
    return (await VectorUpsertNode().run(context, VectorUpsertConfig(**config))).ids


async def search(context: FakeContext, **config: Any) -> VectorSearchOutput:
    return await VectorSearchNode().run(context, VectorSearchConfig(**config))


async def test_what_is_stored_is_found(context: FakeContext) -> None:
    """A stored document is found with text, score, metadata and id."""
    await store(context, documents=[{"id": "a", "text": "An apple a day", "metadata": {"lang": "en"}}, {"id": "b", "text": "Motor oil"}])
    output = await search(context, query="apple", top_k=1)
    assert output.total == 1
    match = output.matches[0]
    assert (match.id, match.text, match.document_id, match.metadata["lang"]) == ("a#0", "An apple a day", "a", "en")
    assert 0 < match.score <= 1


async def test_running_again_stores_nothing_twice(context: FakeContext, collections: CollectionService, subject: Subject) -> None:
    """Ids that were not given derive from the execution's key: a repetition replaces, another execution adds."""
    first = await store(context, text="An apple")
    assert await store(context, text="An apple") == first
    context.key = "run:node:1"
    assert await store(context, text="An apple") != first
    assert (await collections.get(subject, "papers")).document_count == 2


async def test_collection_is_named_by_node_or_source(context: FakeContext) -> None:
    """The node's own name wins over its source's; with neither the node fails; create can be forbidden."""
    await store(context, text="x", collection="other")
    assert (await search(context, query="x", collection="other")).total == 1
    assert (await search(context, query="x")).total == 0
    with pytest.raises(AgentFlowError) as absent:
        await store(context, text="x", collection="absent", create=False)
    assert absent.value.code == "COLLECTION_NOT_FOUND"
    context.source = None
    with pytest.raises(NodeError) as nameless:
        await search(context, query="x")
    assert nameless.value.error_code == "INVALID_SOURCE"


async def test_empty_query_and_no_documents_do_nothing(context: FakeContext) -> None:
    """Nothing to look for finds nothing, nothing to store stores nothing."""
    assert (await search(context, query="  ")).matches == []
    assert (await search(context, query=[])).matches == []
    assert await store(context, documents=[]) == []


@pytest.mark.parametrize(
    ("node", "config"),
    [
        (VectorSearchNode(), {}),
        (VectorSearchNode(), {"query": "x", "top_k": 0}),
        (VectorSearchNode(), {"query": "x", "top_k": 101}),
        (VectorSearchNode(), {"query": "x", "min_score": 2}),
        (VectorUpsertNode(), {}),
        (VectorUpsertNode(), {"text": "a", "documents": []}),
        (VectorUpsertNode(), {"documents": [], "metadata": {"a": 1}}),
        (VectorUpsertNode(), {"documents": [{"id": "a"}]}),
        (VectorUpsertNode(), {"text": "a", "chunk_size": 5}),
    ],
)
def test_bad_configs_are_refused(node: VectorSearchNode | VectorUpsertNode, config: dict[str, Any]) -> None:
    """Configs that make no sense are refused when they are written."""
    assert node.check_config(config)


def test_source_is_needed_unless_the_collection_is_named() -> None:
    """The validator asks for a source exactly when it matters."""
    assert VectorSearchNode().source_required({"query": "x"})
    assert not VectorSearchNode().source_required({"query": "x", "collection": "papers"})
