"""Models with every call counted and traced; wraps a gateway and fulfils the same port."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from prometheus_client import Counter, Histogram

from agentflow.infra.observability import tracing
from agentflow.infra.observability.metrics import SECONDS, bounded
from agentflow.infra.observability.tracing import NO_SPAN, Span, SpanKind, Value, error_code
from agentflow.kit import json
from agentflow.llm.gateway import LLMGateway, Source
from agentflow.sources.chat_models.base import ChatDelta, ChatRequest, ChatResult, Usage

_BY = ["operation", "provider", "model"]
CALLS = bounded(
    Counter("agentflow_model_calls_total", "Calls of models; `outcome` is `ok`, `left` (nobody read on) or a code.", [*_BY, "outcome"])
)
TIMES = bounded(
    Histogram("agentflow_model_call_duration_seconds", "Time of a call of a model, up to its last token.", _BY, buckets=SECONDS)
)
TOKENS = bounded(
    Counter("agentflow_model_tokens_total", "Tokens of models; `direction` is `input` or `output`.", ["provider", "model", "direction"])
)
COST = bounded(Counter("agentflow_model_cost_usd_total", "US dollars spent on models whose price is known.", ["provider", "model"]))


class ObservedModels:
    """Fulfils ``nodes.context.ModelGateway``."""

    def __init__(self, gateway: LLMGateway) -> None:
        self._gateway = gateway

    async def chat(self, source: Source | None, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; see ``LLMGateway.chat``."""
        call = _Call("chat", source, request.model)
        span = call.span(_of_request(request))
        outcome = "left"
        try:
            stream = self._gateway.chat(source, request)
            async with aclosing(tracing.through(span, stream) if tracing.is_on() else stream) as deltas:
                async for delta in deltas:
                    if delta.final is not None:
                        outcome = "ok"
                        call.used(delta.final.usage)
                        span.set(_of_result(delta.final) if tracing.is_on() else {})
                    yield delta
        except Exception as error:
            outcome = error_code(error)
            raise
        finally:
            call.ended(outcome)

    async def embed(self, source: Source | None, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector a text; see ``LLMGateway.embed``."""
        call = _Call("embeddings", source, None)
        outcome = "left"
        try:
            with call.span({}) as span:
                vectors, usage = await self._gateway.embed(source, texts)
                span.set({"gen_ai.response.model": usage.model, "gen_ai.usage.input_tokens": usage.input_tokens})
            outcome = "ok"
            call.used(usage)
        except Exception as error:
            outcome = error_code(error)
            raise
        finally:
            call.ended(outcome)
        return vectors, usage


class _Call:
    """One call: who is asked, and since when."""

    def __init__(self, operation: str, source: Source | None, model: str | None) -> None:
        config = {} if source is None else source.config
        self._operation = operation
        self._provider = str(config.get("provider", "local"))
        self._model = str(model or config.get("model") or "default")
        self._began = time.perf_counter()

    def span(self, attributes: Mapping[str, Value | None]) -> Span:
        if not tracing.is_on():
            return NO_SPAN
        asked = {"gen_ai.operation.name": self._operation, "gen_ai.provider.name": self._provider, "gen_ai.request.model": self._model}
        return tracing.span(f"{self._operation} {self._model}", SpanKind.CLIENT, {**asked, **attributes})

    def used(self, usage: Usage) -> None:
        TOKENS(self._provider, self._model, "input").inc(usage.input_tokens)
        TOKENS(self._provider, self._model, "output").inc(usage.output_tokens)
        if usage.cost_usd is not None:
            COST(self._provider, self._model).inc(float(usage.cost_usd))

    def ended(self, outcome: str) -> None:
        CALLS(self._operation, self._provider, self._model, outcome).inc()
        TIMES(self._operation, self._provider, self._model).observe(time.perf_counter() - self._began)


def _of_request(request: ChatRequest) -> Mapping[str, Value | None]:
    if not tracing.is_on():
        return {}
    return {
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.max_tokens": request.max_tokens,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.stop_sequences": list(request.stop) or None,
        "gen_ai.output.type": "json" if request.json_schema is not None else "text",
        "gen_ai.input.messages": json.dumps(request.messages) if tracing.shows_content() else None,
    }


def _of_result(result: ChatResult) -> Mapping[str, Value | None]:
    answer: Mapping[str, Any] = {"role": "assistant", "content": result.text, "tool_calls": result.tool_calls}
    return {
        "gen_ai.response.model": result.model,
        "gen_ai.response.finish_reasons": [result.finish_reason],
        "gen_ai.usage.input_tokens": result.usage.input_tokens,
        "gen_ai.usage.output_tokens": result.usage.output_tokens,
        "agentflow.usage.cost_usd": None if result.usage.cost_usd is None else float(result.usage.cost_usd),
        "gen_ai.output.messages": json.dumps([answer]) if tracing.shows_content() else None,
    }
