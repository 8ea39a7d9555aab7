"""The port of an embedding model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of some texts.

    Attributes:
        vectors: one unit-length float32 row a text, in the order of the texts.
        input_tokens: tokens read.
        model: the model that made them, as a collection records it.
        estimated: True when the server did not report tokens.
    """

    vectors: "npt.NDArray[np.float32]"
    input_tokens: int
    model: str
    estimated: bool = False


class EmbeddingModel(Protocol):
    """Turns texts into vectors whose cosine says how near their meanings are; serves any number of calls at once."""

    @property
    def name(self) -> str:
        """What a collection records: vectors of different names are never compared."""
        ...

    @property
    def dimension(self) -> int | None:
        """Length of the vectors; None while a server has not answered yet."""
        ...

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector a text; an empty text has one too, no texts give no rows.

        Raises:
            NodeError: ``EMBEDDING_UNAVAILABLE`` when a local model is missing, else as ``ChatModel.stream``.
        """
        ...
