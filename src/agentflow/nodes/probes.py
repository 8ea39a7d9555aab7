"""Trying a source: one small question for each kind, through the same ports that nodes use."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from agentflow.errors import NodeError
from agentflow.identity.subject import Subject
from agentflow.nodes.context import ChatRequest, DatabaseSource, HttpClient, Knowledge, ModelGateway, ResolvedSource
from agentflow.nodes.data import http_target

TIMEOUT_S = 15.0


class Probes:
    """Tries sources of every kind that nodes can use.

    Args:
        http: HTTP behind the SSRF guard.
        models: chat and embedding models.
        open_database: opens the database of a tenant's source.
        knowledge: the collections of a subject's tenant.
    """

    def __init__(
        self,
        http: HttpClient,
        models: ModelGateway,
        open_database: Callable[[ResolvedSource, str], DatabaseSource],
        knowledge: Callable[[Subject], Knowledge],
    ) -> None:
        self._http = http
        self._models = models
        self._open_database = open_database
        self._knowledge = knowledge
        self._by_kind: Mapping[str, Callable[[Subject, ResolvedSource], Awaitable[str]]] = {
            "db": self._db,
            "http": self._http_source,
            "llm": self._llm,
            "embedding": self._embedding,
            "vector": self._vector,
        }

    async def __call__(self, subject: Subject, name: str, kind: str, config: Mapping[str, Any]) -> str:
        """Try a source and return what was found, for people.

        Raises:
            NodeError: what a node would fail with; ``NOT_TESTABLE`` for a kind that no node type uses.
        """
        probe = self._by_kind.get(kind)
        if probe is None:
            raise NodeError(f"Sources of kind {kind} cannot be tried: no node type uses them yet.", error_code="NOT_TESTABLE")
        return await probe(subject, ResolvedSource(name, kind, config))

    async def _db(self, subject: Subject, source: ResolvedSource) -> str:
        database = self._open_database(source, subject.tenant_id)
        await database.run([("SELECT 1", {})], read_only=True, timeout_s=TIMEOUT_S, max_rows=1)
        return f"The database answers; it speaks {database.dialect}."

    async def _http_source(self, _subject: Subject, source: ResolvedSource) -> str:
        target = http_target.resolve(source, "")
        response = await self._http.request(
            "GET",
            target.url,
            headers=target.headers | target.credentials,
            params=target.params,
            timeout_s=TIMEOUT_S,
            follow_redirects=False,
            max_bytes=1_000_000,
        )
        status = f"The server answers GET {target.url.partition('?')[0]} with {response.status}"
        refused = response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if refused or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            hint = "The credentials are not accepted." if refused else "The server is in trouble."
            raise NodeError(f"{status}.", error_code="HTTP_STATUS", hint=hint)
        return f"{status}."

    async def _llm(self, _subject: Subject, source: ResolvedSource) -> str:
        request = ChatRequest(messages=[{"role": "user", "content": "Say ok."}], max_tokens=1, timeout_s=TIMEOUT_S)
        async with aclosing(self._models.chat(source, request)) as deltas:
            async for delta in deltas:
                if delta.final is not None:
                    return f"The model {delta.final.model} answers."
        raise NodeError("The model gave no end of its answer.", error_code="MODEL_PROTOCOL")

    async def _embedding(self, _subject: Subject, source: ResolvedSource) -> str:
        vectors, usage = await self._models.embed(source, ["ok"])
        return f"The model {usage.model} answers; its vectors have {len(vectors[0])} dimensions."

    async def _vector(self, subject: Subject, source: ResolvedSource) -> str:
        collection = source.config.get("collection")
        if not isinstance(collection, str) or not collection:
            raise NodeError("The source names no collection.", error_code="INVALID_SOURCE", hint='Give it the config {"collection": "…"}.')
        await self._knowledge(subject).search(collection, "ok", top_k=1, min_score=0.0, where=None, hybrid=False)
        return f"The collection {collection} answers."
