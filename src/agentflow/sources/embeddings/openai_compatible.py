"""Embeddings of any server that speaks OpenAI's API, by its base URL."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx

from agentflow.kit import json
from agentflow.sources.chat_models.base import estimate_tokens
from agentflow.sources.chat_models.openai_compatible import CONNECT_TIMEOUT_S, MAX_ERROR_BYTES, read_body, server_name
from agentflow.sources.chat_models.openai_errors import ServerErrors
from agentflow.sources.embeddings.base import Embeddings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

BATCH = 256
MAX_ANSWER_BYTES = 64_000_000


class OpenAICompatibleEmbeddings:
    """One embedding model of one server; arguments as ``OpenAICompatibleChatModel``.

    Args:
        dimensions: asks the server to shorten its vectors; only some models can.
        timeout_s: seconds that one batch may take.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        dimensions: int | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model = model
        self._dimensions = dimensions
        self._headers = dict(headers or {}) | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
        self._timeout_s = timeout_s
        self._errors = ServerErrors(server_name(base_url), api_key)
        self._seen_dimension: int | None = None

    @property
    def name(self) -> str:
        """The model's name at its server."""
        return self._model

    @property
    def dimension(self) -> int | None:
        """Length of the vectors, once the server has answered."""
        return self._dimensions or self._seen_dimension

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector a text; see ``EmbeddingModel.embed``."""
        import numpy as np

        if not texts:
            return Embeddings(np.empty((0, self.dimension or 0), dtype=np.float32), 0, self.name)
        rows: list[list[float]] = []
        tokens, estimated = 0, False
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            answer = await self._ask(batch)
            rows += self._vectors(answer, len(batch))
            reported = _reported_tokens(answer)
            estimated = estimated or reported is None
            tokens += sum(map(estimate_tokens, batch)) if reported is None else reported
        return Embeddings(_unit(np.array(rows, dtype=np.float32)), tokens, self.name, estimated)

    async def _ask(self, batch: Sequence[str]) -> Mapping[str, Any]:
        body: dict[str, Any] = {"model": self._model, "input": list(batch), "encoding_format": "float"}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        limits = httpx.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s))
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(
                    "POST", self._url, json=body, headers=self._headers, timeout=limits, follow_redirects=False
                ) as response,
            ):
                if not response.is_success:
                    raise self._errors.of_status(response.status_code, response.headers, await read_body(response, MAX_ERROR_BYTES))
                return self._parsed(await read_body(response, MAX_ANSWER_BYTES))
        except TimeoutError as error:
            raise self._errors.make(f"did not finish within {self._timeout_s:g} s.", "MODEL_TIMEOUT", retryable=True) from error
        except httpx.HTTPError as error:
            raise self._errors.of_transport(error, begun=False) from error
        except httpx.InvalidURL as error:
            raise self._errors.make(f"cannot be asked: {error}.", "MODEL_UNAVAILABLE") from error

    def _parsed(self, body: bytes) -> Mapping[str, Any]:
        try:
            answer = json.loads(body)
        except json.InvalidJson as error:
            raise self._errors.protocol(f"it is not JSON ({error})", begun=False) from error
        if not isinstance(answer, dict):
            raise self._errors.protocol("it is no JSON object", begun=False)
        if answer.get("error"):
            raise self._errors.of_object(answer["error"], begun=False)
        return answer

    def _vectors(self, answer: Mapping[str, Any], count: int) -> list[list[float]]:
        """Return the vectors in the order of the texts; servers may send them in another."""
        try:
            found = {
                int(item.get("index", position)): [float(number) for number in item["embedding"]]
                for position, item in enumerate(answer["data"])
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._errors.protocol("it has no list of embeddings", begun=False) from error
        if sorted(found) != list(range(count)):
            raise self._errors.protocol(f"it has {len(found)} embeddings for {count} texts", begun=False)
        rows = [found[index] for index in range(count)]
        length = self._seen_dimension or len(rows[0])
        if not length or any(len(row) != length or not all(map(math.isfinite, row)) for row in rows):
            raise self._errors.protocol("its vectors differ in length or hold no numbers", begun=False)
        self._seen_dimension = length
        return rows


def _reported_tokens(answer: Mapping[str, Any]) -> int | None:
    usage = answer.get("usage")
    tokens = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return tokens if isinstance(tokens, int) and tokens >= 0 else None


def _unit(vectors: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float32]":
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0.0, 1.0, lengths)).astype(np.float32)
