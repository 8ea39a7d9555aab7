"""Exact search in memory."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from agentflow.knowledge.vector_stores.base import IndexedChunk, IndexKey, InvalidQueryVector, VectorQuery
from agentflow.knowledge.vector_stores.exact import CollectionIndex, ExactVectorStore
from agentflow.knowledge.vector_stores.filters import InvalidFilter

KEY = IndexKey("t", "c", 1)


def chunk(name: str, vector: Sequence[float], text: str = "", **metadata: object) -> IndexedChunk:
    unit = np.array(vector, dtype=np.float64)
    return IndexedChunk(f"{name}#0", name, text or name, metadata, (unit / np.linalg.norm(unit)).astype("<f4").tobytes())


class Loads:
    """Hands out chunks and counts how often it was asked."""

    def __init__(self, chunks: Sequence[IndexedChunk]) -> None:
        self.chunks = chunks
        self.count = 0

    async def __call__(self, key: IndexKey) -> Sequence[IndexedChunk]:
        self.count += 1
        await asyncio.sleep(0)
        return self.chunks


ABC = [chunk("a", [1, 0], "red apple pie", n=1), chunk("b", [0.8, 0.6], "green pear", n=2), chunk("c", [-1, 0], "apple code E42", n=3)]


async def found(query: VectorQuery, chunks: Sequence[IndexedChunk] = ABC) -> list[tuple[str | None, float]]:
    return [(match.document_id, match.score) for match in await ExactVectorStore(Loads(chunks)).search(KEY, query)]


async def test_nearest_come_first_with_their_cosine() -> None:
    """Scores are cosines, opposite meanings count as 0, best first."""
    assert await found(VectorQuery([2, 0])) == [("a", 1.0), ("b", 0.8), ("c", 0.0)]


async def test_results_equal_brute_force() -> None:
    """On a thousand random vectors the best ten are those that a plain sort finds."""
    random = np.random.default_rng(7)
    vectors = random.normal(size=(1000, 16))
    query = random.normal(size=16)
    expected = np.argsort(-(vectors @ query) / np.linalg.norm(vectors, axis=1), kind="stable")[:10]
    chunks = [chunk(str(row), vector) for row, vector in enumerate(vectors)]
    assert [name for name, _ in await found(VectorQuery(query.tolist(), top_k=10), chunks)] == [str(row) for row in expected]


async def test_filter_applies_before_top_k() -> None:
    """The best match that passes the filter is found although nearer ones do not pass."""
    assert await found(VectorQuery([1, 0], top_k=1, where={"n": {"$gte": 2}})) == [("b", 0.8)]


async def test_min_score_drops_the_rest() -> None:
    """Matches below the threshold are left out, also in hybrid search."""
    assert await found(VectorQuery([1, 0], min_score=0.9)) == [("a", 1.0)]
    assert [name for name, _ in await found(VectorQuery([1, 0], "apple", min_score=0.9, hybrid=True))] == ["a"]


async def test_hybrid_lifts_shared_words() -> None:
    """A chunk that shares the rare word comes up although its vector is far."""
    plain = [name for name, _ in await found(VectorQuery([1, 0], "code E42"))]
    hybrid = await found(VectorQuery([1, 0], "code E42", hybrid=True))
    assert plain.index("c") == 2
    assert [name for name, _ in hybrid].index("c") < 2
    assert all(0 < score <= 1 for _, score in hybrid[:2])


async def test_equal_scores_keep_stored_order() -> None:
    """Ties are broken the same way every time, also when only some of them fit."""
    same = [chunk(name, [1, 0]) for name in "dcba"]
    assert [name for name, _ in await found(VectorQuery([1, 0], top_k=3), same)] == ["d", "c", "b"]


async def test_empty_collection_finds_nothing() -> None:
    """A collection without chunks gives no matches."""
    assert await found(VectorQuery([1, 0]), []) == []


@pytest.mark.parametrize("vector", [[1.0], [1.0, 2.0, 3.0], [], [float("nan"), 0.0], [float("inf"), 0.0]])
async def test_vectors_that_cannot_be_compared_are_refused(vector: list[float]) -> None:
    """A wrong dimension, NaN and infinity are typed errors."""
    with pytest.raises(InvalidQueryVector):
        await found(VectorQuery(vector))


async def test_extreme_vectors_are_compared() -> None:
    """Huge numbers do not overflow, the zero vector is near nothing."""
    assert (await found(VectorQuery([1e308, 0.0])))[0] == ("a", 1.0)
    assert {score for _, score in await found(VectorQuery([0.0, 0.0]))} == {0.0}


async def test_bad_filter_is_refused_without_loading() -> None:
    """A filter that makes no sense costs nothing."""
    loads = Loads(ABC)
    with pytest.raises(InvalidFilter):
        await ExactVectorStore(loads).search(KEY, VectorQuery([1, 0], where={"$x": 1}))
    assert loads.count == 0


async def test_index_is_kept_until_the_collection_changes() -> None:
    """Searches at once share one load; a new version loads again."""
    loads = Loads(ABC)
    store = ExactVectorStore(loads)
    await asyncio.gather(*(store.search(KEY, VectorQuery([1, 0])) for _ in range(5)))
    assert loads.count == 1
    loads.chunks = ABC[:1]
    assert len(await store.search(IndexKey("t", "c", 2), VectorQuery([1, 0]))) == 1
    assert loads.count == 2


async def test_memory_is_bounded() -> None:
    """Indexes beyond the bound are dropped, the least used first; a collection above it is searched all the same."""
    size = CollectionIndex(ABC).size_bytes
    loads = Loads(ABC)
    store = ExactVectorStore(loads, max_cached_bytes=2 * size)
    for name in ("c", "d", "c", "e", "c"):
        await store.search(IndexKey("t", name, 1), VectorQuery([1, 0]))
    assert loads.count == 3
    small = ExactVectorStore(loads, max_cached_bytes=1)
    assert len(await small.search(KEY, VectorQuery([1, 0]))) == 3
