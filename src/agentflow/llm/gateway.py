"""The one door to models: picks the model that a source describes, prices what it used. Fulfils ``nodes.context.ModelGateway``."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import ValidationError

from agentflow.errors import NodeError
from agentflow.llm.pricing import priced
from agentflow.llm.providers import PROVIDERS, Outside, Provider, ProviderConfig
from agentflow.sources.chat_models.base import ChatDelta, ChatRequest, Usage


class Source(Protocol):
    """What the gateway reads of a source: its name, for messages, and its config with secrets filled in."""

    @property
    def id(self) -> str:
        """The source's name."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings of its provider."""
        ...


class LLMGateway:
    """Chat and embedding models by source; holds one HTTP client for all of them.

    Args:
        transport: makes the way to the network, which is the SSRF guard; called at the first request that leaves the process.
        local_weights: GGUF file of the local language model; None for the packaged one.
    """

    def __init__(self, transport: Callable[[], httpx.AsyncBaseTransport], *, local_weights: Path | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._outside = Outside(self._http, local_weights)

    async def chat(self, source: Source | None, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion by the source's model, priced; without a source the local model answers. See ``ChatModel.stream``.

        Raises:
            NodeError: ``INVALID_SOURCE`` when the source's config is no provider's, else as ``ChatModel.stream``.
        """
        provider, config = _provider(source)
        async with aclosing(provider.chat(config, self._outside).stream(request)) as deltas:
            async for delta in deltas:
                if delta.final is None:
                    yield delta
                else:
                    yield ChatDelta(delta.text, replace(delta.final, usage=_cost(delta.final.usage, config)))

    async def embed(self, source: Source | None, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector a text, in order; without a source by the local embedding model.

        Raises:
            NodeError: ``INVALID_SOURCE``, or as ``EmbeddingModel.embed``.
        """
        provider, config = _provider(source)
        model = provider.embedding(config, self._outside)
        if model is None:
            raise _invalid(source, "it names no embedding model that its provider has", "Set model in the source's config.")
        made = await model.embed(texts)
        usage = Usage(made.input_tokens, 0, None, made.model, made.estimated)
        return made.vectors.tolist(), _cost(usage, config)

    async def aclose(self) -> None:
        """Close the connections to model servers."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            # Calls of different tenants share the client, so it keeps no cookie; nor may the environment send them through a proxy.
            cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            self._client = httpx.AsyncClient(
                transport=self._transport(), trust_env=False, cookies=cookies, headers={"user-agent": "AgentFlow"}
            )
        return self._client


def _provider(source: Source | None) -> tuple[Provider[Any], ProviderConfig]:
    config = {"provider": "local"} if source is None else dict(source.config)
    name = config.get("provider")
    provider = PROVIDERS.get(name) if isinstance(name, str) else None
    if provider is None:
        raise _invalid(source, f"its provider is {'missing' if name is None else repr(name)}", f"Use one of: {', '.join(PROVIDERS)}.")
    try:
        return provider, provider.config_model.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _invalid(source, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "Correct the source's config.") from None


def _cost(usage: Usage, config: ProviderConfig) -> Usage:
    return priced(usage, config.input_usd_per_million, config.output_usd_per_million)


def _invalid(source: Source | None, what: str, hint: str) -> NodeError:
    name = "default" if source is None else source.id
    return NodeError(f"The source {name} cannot be used: {what}.", error_code="INVALID_SOURCE", hint=hint)
