"""Collections as running nodes see them: by name, in the run's tenant. Fulfils ``nodes.context.Knowledge``."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agentflow.errors import NodeError
from agentflow.identity.subject import Subject
from agentflow.knowledge.collections.errors import CollectionExists, CollectionNotFound
from agentflow.knowledge.collections.schemas import CollectionCreate, DocumentsAdd, SearchRequest
from agentflow.knowledge.collections.service import CollectionService
from agentflow.knowledge.vector_stores.base import Match


class TenantKnowledge:
    """The collections of one subject's tenant.

    Args:
        collections: the service that holds them.
        subject: on whose behalf the run acts.
    """

    def __init__(self, collections: CollectionService, subject: Subject) -> None:
        self._collections = collections
        self._subject = subject

    async def search(
        self,
        collection: str,
        query: str | Sequence[float],
        *,
        top_k: int,
        min_score: float,
        where: Mapping[str, Any] | None,
        hybrid: bool,
    ) -> Sequence[Match]:
        """Return the nearest chunks, best first.

        Raises:
            NodeError: ``INVALID_QUERY`` when the query is too long or no query at all; as ``CollectionService.search`` besides.
        """
        question = query if isinstance(query, str) else list(query)
        wanted = _valid(
            SearchRequest, {"query": question, "top_k": top_k, "min_score": min_score, "where": where, "hybrid": hybrid}, "INVALID_QUERY"
        )
        return await self._collections.search(self._subject, collection, wanted)

    async def upsert(
        self, collection: str, documents: Sequence[Mapping[str, Any]], *, chunk_size: int, chunk_overlap: int, create: bool
    ) -> Sequence[str]:
        """Chunk, embed and store documents; returns their ids. The same id replaces.

        Raises:
            NodeError: ``INVALID_DOCUMENT`` when a document lacks what one needs; as ``CollectionService.add`` besides.
        """
        new = _valid(
            DocumentsAdd, {"documents": list(documents), "chunk_size": chunk_size, "chunk_overlap": chunk_overlap}, "INVALID_DOCUMENT"
        )
        if create:
            await self._ensure(collection)
        added = await self._collections.add(self._subject, collection, new)
        return [document.id for document in added.items]

    async def _ensure(self, collection: str) -> None:
        try:
            await self._collections.get(self._subject, collection)
        except CollectionNotFound:
            new = _valid(CollectionCreate, {"name": collection}, "INVALID_COLLECTION_NAME")
            with suppress(CollectionExists):  # another run was faster
                await self._collections.create(self._subject, new)


M = TypeVar("M", bound=BaseModel)


def _valid(model: type[M], value: Mapping[str, Any], code: str) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise NodeError(f"{place or 'It'} is not valid: {first['msg']}.", error_code=code) from error
