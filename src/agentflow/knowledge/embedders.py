"""Which embedding models collections may be made with: a table by the name that a collection records."""

from collections.abc import Callable, Mapping

from agentflow.errors import Invalid
from agentflow.sources.embeddings import minilm
from agentflow.sources.embeddings.base import EmbeddingModel
from agentflow.sources.embeddings.hashing import HashingEmbeddings
from agentflow.sources.embeddings.minilm import MiniLMEmbeddings

AUTO = "auto"
EMBEDDERS: Mapping[str, Callable[[], EmbeddingModel]] = {
    MiniLMEmbeddings.name: MiniLMEmbeddings,
    HashingEmbeddings.name: HashingEmbeddings,
}


class UnknownEmbeddingModel(Invalid):
    """There is no such embedding model for collections."""

    code, title = "UNKNOWN_EMBEDDING_MODEL", "Unknown embedding model"


def embedder(name: str) -> EmbeddingModel:
    """Return a model by name; ``auto`` is MiniLM where its weights are installed, else hashing.

    Only a new collection is made with ``auto``: it records what came of it and keeps to that.

    Raises:
        UnknownEmbeddingModel: there is none of this name.
    """
    if name == AUTO:
        return HashingEmbeddings() if minilm.missing_parts() else MiniLMEmbeddings()
    make = EMBEDDERS.get(name)
    if make is None:
        raise UnknownEmbeddingModel(f"There is no embedding model {name}.", hint=f"Use {AUTO}, {' or '.join(EMBEDDERS)}.")
    return make()
