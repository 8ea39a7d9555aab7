"""Models whose tokens are held to the quota of an organisation; wraps a gateway and fulfils the same port."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from agentflow.llm.allowance import Allowance, Hold
from agentflow.llm.gateway import Source
from agentflow.sources.chat_models.base import USUAL_ANSWER_TOKENS, ChatDelta, ChatRequest, Usage, estimate_tokens, plain_text

_EMBEDDING_S = 600.0
"""Seconds that making vectors takes at most, as far as quotas go."""


class Gateway(Protocol):
    """What is wrapped."""

    def chat(self, source: Any, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion."""
        ...

    async def embed(self, source: Any, texts: Sequence[str]) -> tuple[Sequence[Sequence[float]], Usage]:
        """Return one vector a text."""
        ...


class MeteredModels:
    """Fulfils ``nodes.context.ModelGateway`` for one organisation.

    Args:
        gateway: asks the models.
        allowance: how many tokens there are.
        tenant_id: the organisation.
    """

    def __init__(self, gateway: Gateway, allowance: Allowance, tenant_id: str) -> None:
        self._gateway = gateway
        self._allowance = allowance
        self._tenant_id = tenant_id

    async def chat(self, source: Source | None, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; see ``LLMGateway.chat``.

        An answer that is broken off counts as what was kept for it: the model has written what nobody counted.

        Raises:
            NodeError: ``TOKEN_QUOTA_REACHED`` besides.
        """
        hold = await self._allowance.take(self._tenant_id, _expected(request), request.timeout_s)
        used = 0
        try:
            async with aclosing(self._gateway.chat(source, request)) as deltas:
                async for delta in deltas:
                    used = _total(delta.final.usage) if delta.final is not None else hold.tokens if hold is not None else 0
                    yield delta
        finally:
            await self._settle(hold, used)

    async def embed(self, source: Source | None, texts: Sequence[str]) -> tuple[Sequence[Sequence[float]], Usage]:
        """Return one vector a text; see ``LLMGateway.embed``.

        Raises:
            NodeError: ``TOKEN_QUOTA_REACHED`` besides.
        """
        hold = await self._allowance.take(self._tenant_id, sum(map(estimate_tokens, texts)), _EMBEDDING_S)
        used = 0
        try:
            vectors, usage = await self._gateway.embed(source, texts)
            used = _total(usage)
        finally:
            await self._settle(hold, used)
        return vectors, usage

    async def _settle(self, hold: Hold | None, used: int) -> None:
        if hold is not None:
            await self._allowance.settle(hold, used)


def _expected(request: ChatRequest) -> int:
    texts = (plain_text(message.get("content")) for message in request.messages)
    return sum(map(estimate_tokens, texts)) + (request.max_tokens or USUAL_ANSWER_TOKENS)


def _total(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
