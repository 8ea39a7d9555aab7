"""Ranking by words: BM25 over an inverted index in memory."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_WORD = re.compile(r"\w+")
K1, B = 1.5, 0.75
"""The usual constants: how soon repetition saturates, and how far length counts."""


def words(text: str) -> list[str]:
    """Return the words of a text, folded to one case."""
    return _WORD.findall(text.casefold())


class LexicalIndex:
    """Which texts hold which words, how often."""

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        postings: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        lengths = np.zeros(len(texts), dtype=np.float32)
        for row, text in enumerate(texts):
            counts = Counter(words(text))
            lengths[row] = counts.total()
            for word, count in counts.items():
                rows, frequencies = postings[word]
                rows.append(row)
                frequencies.append(count)
        self._postings = {
            word: (np.array(rows, dtype=np.int32), np.array(frequencies, dtype=np.float32))
            for word, (rows, frequencies) in postings.items()
        }
        mean = float(lengths.mean()) if len(texts) else 1.0
        self._norms = K1 * (1 - B + B * lengths / (mean or 1.0))
        self._size = len(texts)

    def scores(self, query: str) -> "npt.NDArray[np.float32]":
        """Return the BM25 score of every text; 0 where no word of ``query`` occurs."""
        import numpy as np

        scores = np.zeros(self._size, dtype=np.float32)
        for word in set(words(query)):
            if word in self._postings:
                rows, frequencies = self._postings[word]
                rarity = np.log1p((self._size - len(rows) + 0.5) / (len(rows) + 0.5))
                scores[rows] += rarity * frequencies * (K1 + 1) / (frequencies + self._norms[rows])
        return scores
