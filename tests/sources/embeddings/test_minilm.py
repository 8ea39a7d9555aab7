"""The local embedding model beyond what the conformance suite asks of every model."""

import asyncio

import numpy as np
import pytest

from agentflow.errors import NodeError
from agentflow.sources.embeddings import minilm
from agentflow.sources.embeddings.minilm import BATCH_CHARACTERS, MAX_BATCH, MiniLMEmbeddings, batches


def test_batches_hold_every_text_once_within_bounds() -> None:
    """Every text is in one batch, and a batch of several stays within its bounds."""
    texts = ["x" * length for length in (5000, 1, 700, 3, 900, *([10] * 100))]
    made = list(batches(texts))
    assert sorted(index for batch in made for index in batch) == list(range(len(texts)))
    for batch in made:
        assert len(batch) <= MAX_BATCH
        assert len(batch) == 1 or len(batch) * max(len(texts[index]) for index in batch) <= BATCH_CHARACTERS


async def test_only_the_first_tokens_count() -> None:
    """What stands beyond the model's reach does not change the vector."""
    one, two = (await MiniLMEmbeddings().embed(["word " * 400, "word " * 400 + "completely different"])).vectors
    assert np.allclose(one, two, atol=2e-2)


async def test_model_is_loaded_once() -> None:
    """Calls at once share one loaded model."""
    await asyncio.gather(*(MiniLMEmbeddings().embed(["a"]) for _ in range(3)))
    assert minilm._load.cache_info().misses == 1


async def test_missing_weights_name_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is not installed is named, with the command that brings it."""
    monkeypatch.setitem(minilm._PARTS, "no_such_package", "model.onnx")
    with pytest.raises(NodeError) as caught:
        await MiniLMEmbeddings().embed(["a"])
    assert caught.value.error_code == "EMBEDDING_UNAVAILABLE"
    assert "no-such-package" in caught.value.message
    assert "make setup" in (caught.value.hint or "")
