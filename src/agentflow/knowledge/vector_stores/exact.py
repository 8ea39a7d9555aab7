"""Exact nearest neighbours in memory: one matrix a collection, read from the database and kept until the collection changes."""

import asyncio
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentflow.kit import json
from agentflow.knowledge.vector_stores.base import ChunkLoader, IndexedChunk, IndexKey, Match, VectorQuery, check_query_vector
from agentflow.knowledge.vector_stores.filters import compile_filter
from agentflow.knowledge.vector_stores.lexical import LexicalIndex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_CACHED_BYTES = 256_000_000
"""Memory for indexes kept; the least recently used go first. A larger collection is searched too, but read anew each time."""
RANK_CONSTANT = 60
"""Of reciprocal rank fusion (Cormack and others, 2009)."""
CANDIDATES = 100
"""Least number of hits of each ranking that fusion looks at."""


class ExactVectorStore:
    """Fulfils ``VectorStore`` by comparing the query with every vector.

    Args:
        load: reads the chunks of a collection.
        max_cached_bytes: memory that the kept indexes may take.
    """

    def __init__(self, load: ChunkLoader, *, max_cached_bytes: int = MAX_CACHED_BYTES) -> None:
        self._load = load
        self._max_cached_bytes = max_cached_bytes
        self._indexes: OrderedDict[tuple[str, str], tuple[int, CollectionIndex]] = OrderedDict()
        self._loading: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def search(self, key: IndexKey, query: VectorQuery) -> Sequence[Match]:
        """Return the best matches; see ``VectorStore.search``."""
        compile_filter(query.where)  # refused before anything is loaded
        index = await self._index(key)
        return await asyncio.to_thread(index.search, query)

    def forget(self, tenant_id: str, collection_id: str) -> None:
        """Free the memory of a collection that is gone."""
        self._indexes.pop((tenant_id, collection_id), None)
        self._loading.pop((tenant_id, collection_id), None)

    async def _index(self, key: IndexKey) -> "CollectionIndex":
        place = (key.tenant_id, key.collection_id)
        async with self._loading[place]:
            known = self._indexes.get(place)
            if known is not None and known[0] == key.version:
                self._indexes.move_to_end(place)
                return known[1]
            index = await asyncio.to_thread(CollectionIndex, await self._load(key))
            self._indexes[place] = (key.version, index)
            self._indexes.move_to_end(place)
            self._evict()
            return index

    def _evict(self) -> None:
        total = sum(index.size_bytes for _, index in self._indexes.values())
        while self._indexes and total > self._max_cached_bytes:
            _, (_, index) = self._indexes.popitem(last=False)
            total -= index.size_bytes


class CollectionIndex:
    """The chunks of one collection, ready to be searched; never changes, so any number of threads may ask it."""

    def __init__(self, chunks: Sequence[IndexedChunk]) -> None:
        import numpy as np

        self._chunks = [(chunk.id, chunk.document_id, chunk.text, chunk.metadata) for chunk in chunks]
        self._matrix = np.frombuffer(b"".join(chunk.vector for chunk in chunks), dtype="<f4").reshape(len(chunks), -1) if chunks else None
        self._lexical: LexicalIndex | None = None
        self._building = threading.Lock()
        texts = sum(len(chunk.text) + len(json.dump_bytes(chunk.metadata)) for chunk in chunks)
        self.size_bytes = (0 if self._matrix is None else self._matrix.nbytes) + 3 * texts
        """Roughly what it takes; the words count three times, since the lexical index may come to hold them too."""

    def search(self, query: VectorQuery) -> list[Match]:
        """Return the best matches, best first; blocks for milliseconds."""
        import numpy as np

        if self._matrix is None:
            return []
        allowed = self._allowed(query)
        cosines = np.clip(self._matrix @ self._unit(query.vector), 0.0, 1.0)
        allowed &= cosines >= query.min_score
        scores = self._fused(query, cosines, allowed) if query.hybrid and query.text else cosines
        best = _top(np.where(allowed, scores, -1.0), query.top_k)
        return [self._match(int(row), float(scores[row])) for row in best]

    def _allowed(self, query: VectorQuery) -> "npt.NDArray[np.bool_]":
        import numpy as np

        passes = compile_filter(query.where)
        if passes is None:
            return np.ones(len(self._chunks), dtype=bool)
        return np.fromiter((passes(metadata) for *_, metadata in self._chunks), dtype=bool, count=len(self._chunks))

    def _unit(self, vector: Sequence[float]) -> "npt.NDArray[np.float32]":
        import numpy as np

        assert self._matrix is not None  # noqa: S101 - search has looked
        check_query_vector(vector, self._matrix.shape[1])
        exact = np.array(vector, dtype=np.float64)
        largest = np.abs(exact).max()
        if largest == 0:
            return exact.astype(np.float32)
        exact /= largest  # so that the squares of huge numbers stay finite
        return (exact / np.linalg.norm(exact)).astype(np.float32)

    def _fused(self, query: VectorQuery, cosines: "npt.NDArray[np.float32]", allowed: "npt.NDArray[np.bool_]") -> "npt.NDArray[np.float32]":
        """Return the reciprocal rank fusion of both rankings, scaled so that first in both is 1."""
        import numpy as np

        lexical = self._words().scores(query.text or "")
        count = max(CANDIDATES, 4 * query.top_k)
        fused = np.zeros(len(cosines), dtype=np.float32)
        for scores in (cosines, lexical):
            ranked = _top(np.where(allowed & (scores > 0), scores, -1.0), count)
            fused[ranked] += (RANK_CONSTANT + 1) / 2 / (RANK_CONSTANT + 1 + np.arange(len(ranked), dtype=np.float32))
        return fused

    def _words(self) -> LexicalIndex:
        with self._building:
            if self._lexical is None:
                self._lexical = LexicalIndex([f"{metadata.get('heading', '')} {text}" for _, _, text, metadata in self._chunks])
            return self._lexical

    def _match(self, row: int, score: float) -> Match:
        chunk_id, document_id, text, metadata = self._chunks[row]
        return Match(chunk_id, text, round(score, 6), metadata, document_id)


def _top(scores: "npt.NDArray[np.float32]", count: int) -> "npt.NDArray[np.intp]":
    """Return the rows of the ``count`` highest scores that are not negative, best first, equal ones in order of row."""
    import numpy as np

    least = max(np.partition(scores, -count)[-count], 0.0) if count < len(scores) else 0.0
    rows = np.flatnonzero(scores >= least)
    return rows[np.argsort(-scores[rows], kind="stable")][:count]
