"""Vectors from the words themselves: needs no weights, always gives the same, knows no meaning."""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from agentflow.sources.embeddings.base import Embeddings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DIMENSION = 384
_WORD = re.compile(r"\w+")


class HashingEmbeddings:
    """Hashes words and their trigrams into buckets. Finds shared words, not shared meaning; its name says so."""

    name = "hashing-384"
    dimension = DIMENSION

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector a text; see ``EmbeddingModel.embed``."""
        vectors = await asyncio.to_thread(_vectors, texts)
        return Embeddings(vectors, sum(len(_WORD.findall(text)) for text in texts), self.name)


def _vectors(texts: Sequence[str]) -> "npt.NDArray[np.float32]":
    import numpy as np

    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        for feature, count in Counter(_features(text)).items():
            digest = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
            vectors[row, digest % DIMENSION] += (1.0 if digest >> 63 else -1.0) * count**0.5
        length = float(np.linalg.norm(vectors[row]))
        if length:
            vectors[row] /= length
        else:  # no word, or all cancelled out: a fixed direction, so that every vector has unit length
            vectors[row, 0] = 1.0
    return vectors


def _features(text: str) -> Iterator[str]:
    for word in _WORD.findall(text.lower()):
        yield word
        padded = f"<{word}>"
        yield from (padded[start : start + 3] for start in range(len(padded) - 2))
