"""The providers of models: a table from a source's ``provider`` to how its config reads and what it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agentflow.sources.chat_models.base import ChatModel
from agentflow.sources.chat_models.local import LocalChatModel
from agentflow.sources.chat_models.openai_compatible import OpenAICompatibleChatModel
from agentflow.sources.embeddings.base import EmbeddingModel
from agentflow.sources.embeddings.hashing import HashingEmbeddings
from agentflow.sources.embeddings.minilm import MiniLMEmbeddings
from agentflow.sources.embeddings.openai_compatible import OpenAICompatibleEmbeddings

OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Outside:
    """What providers need of the process.

    Attributes:
        http: returns the HTTP client whose transport is the SSRF guard.
        local_weights: GGUF file of the local language model; None for the packaged one.
    """

    http: Callable[[], httpx.AsyncClient]
    local_weights: Path | None = None


class ProviderConfig(BaseModel):
    """What every provider's source config has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str = Field(description="Who serves the model.", examples=["local"])
    input_usd_per_million: Decimal | None = Field(
        default=None, ge=0, description="Price of a million input tokens, in US dollars.", examples=["0.15"]
    )
    output_usd_per_million: Decimal | None = Field(
        default=None, ge=0, description="Price of a million output tokens, in US dollars.", examples=["0.60"]
    )


class LocalConfig(ProviderConfig):
    """Config of the models that run in this process; they are free."""

    model: str | None = Field(default=None, description="Local embedding model; None for the default.", examples=["all-MiniLM-L6-v2"])
    input_usd_per_million: Decimal | None = Field(default=Decimal(0), ge=0, description="Price of a million input tokens.", examples=["0"])
    output_usd_per_million: Decimal | None = Field(
        default=Decimal(0), ge=0, description="Price of a million output tokens.", examples=["0"]
    )


class OpenAICompatibleConfig(ProviderConfig):
    """Config of a server that speaks OpenAI's API."""

    base_url: str = Field(description="Root of the API.", examples=["http://127.0.0.1:11434/v1"])
    api_key: str | None = Field(
        default=None, description="Bearer token; write it as `{{ secrets.NAME }}`.", examples=["{{ secrets.OPENAI_API_KEY }}"]
    )
    model: str | None = Field(default=None, description="The model, unless the node names one.", examples=["gpt-4o-mini"])
    headers: Mapping[str, str] = Field(default_factory=dict, description="Headers to send besides.", examples=[{"X-Team": "search"}])
    dimensions: int | None = Field(
        default=None, ge=1, le=8192, description="Length of embeddings to ask for, where the model can.", examples=[512]
    )

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL")
        if parts.username or parts.password:
            raise ValueError("must not hold credentials; use api_key or headers")
        return value

    @field_validator("api_key", "headers")
    @classmethod
    def _header_text(cls, value: Any) -> Any:
        texts = [value] if isinstance(value, str) else [text for pair in (value or {}).items() for text in pair]
        if any(not text.isascii() or not text.isprintable() for text in texts):
            raise ValueError("must be printable ASCII")
        return value


class OpenAIConfig(OpenAICompatibleConfig):
    """Config of OpenAI itself."""

    base_url: str = Field(default=OPENAI_URL, description="Root of the API.", examples=[OPENAI_URL])
    api_key: str = Field(description="API key; write it as `{{ secrets.NAME }}`.", examples=["{{ secrets.OPENAI_API_KEY }}"])


C = TypeVar("C", bound=ProviderConfig)


@dataclass(frozen=True, slots=True)
class Provider(Generic[C]):
    """One kind of model server.

    Attributes:
        config_model: what its source config must be.
        chat: makes its chat model.
        embedding: makes its embedding model; returns None when the config names none that it has.
    """

    config_model: type[C]
    chat: Callable[[C, Outside], ChatModel]
    embedding: Callable[[C, Outside], EmbeddingModel | None]


_LOCAL_EMBEDDINGS: Mapping[str | None, Callable[[], EmbeddingModel]] = {
    None: MiniLMEmbeddings,
    MiniLMEmbeddings.name: MiniLMEmbeddings,
    HashingEmbeddings.name: HashingEmbeddings,
}


def _local_embedding(config: LocalConfig, _outside: Outside) -> EmbeddingModel | None:
    make = _LOCAL_EMBEDDINGS.get(config.model)
    return make() if make else None


def _compatible_chat(config: OpenAICompatibleConfig, outside: Outside) -> ChatModel:
    return _chat(config, outside, "max_tokens")


def _openai_chat(config: OpenAIConfig, outside: Outside) -> ChatModel:
    return _chat(config, outside, "max_completion_tokens")


def _chat(config: OpenAICompatibleConfig, outside: Outside, max_tokens_field: str) -> ChatModel:
    return OpenAICompatibleChatModel(
        outside.http(),
        base_url=config.base_url,
        api_key=config.api_key,
        model=config.model,
        headers=config.headers,
        max_tokens_field=max_tokens_field,
    )


def _compatible_embedding(config: OpenAICompatibleConfig, outside: Outside) -> EmbeddingModel | None:
    if config.model is None:
        return None
    return OpenAICompatibleEmbeddings(
        outside.http(),
        base_url=config.base_url,
        api_key=config.api_key,
        model=config.model,
        dimensions=config.dimensions,
        headers=config.headers,
    )


PROVIDERS: Mapping[str, Provider[Any]] = {
    "local": Provider(LocalConfig, lambda _config, outside: LocalChatModel(outside.local_weights), _local_embedding),
    "openai": Provider(OpenAIConfig, _openai_chat, _compatible_embedding),
    "openai_compatible": Provider(OpenAICompatibleConfig, _compatible_chat, _compatible_embedding),
}
"""By the name that a source's config gives as ``provider``."""
