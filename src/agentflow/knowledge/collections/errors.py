"""What can go wrong with collections."""

from agentflow.errors import Conflict, NotFound, Unavailable


class CollectionNotFound(NotFound):
    """There is no such collection, or it belongs to another tenant."""

    code, title = "COLLECTION_NOT_FOUND", "Collection not found"


class DocumentNotFound(NotFound):
    """The collection has no such document."""

    code, title = "DOCUMENT_NOT_FOUND", "Document not found"


class CollectionExists(Conflict):
    """A collection of this name exists already."""

    code, title = "COLLECTION_EXISTS", "Collection exists"


class EmbeddingMismatch(Conflict):
    """The vectors were made by another model than those of the collection; they cannot be compared."""

    code, title = "EMBEDDING_MISMATCH", "Embedding model mismatch"


class EmbeddingUnavailable(Unavailable):
    """The embedding model that a collection was made with cannot be used on this machine now."""

    code, title = "EMBEDDING_UNAVAILABLE", "Embedding model unavailable"
