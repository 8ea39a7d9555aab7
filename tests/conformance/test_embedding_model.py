"""What every embedding model must do, whoever serves it."""

from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from agentflow.sources.embeddings.base import EmbeddingModel
from agentflow.sources.embeddings.hashing import HashingEmbeddings
from agentflow.sources.embeddings.minilm import MiniLMEmbeddings
from agentflow.sources.embeddings.openai_compatible import OpenAICompatibleEmbeddings
from tests.support.openai_server import openai_server

TEXTS = ["a cat", "", "the invoice of May is due", "日本語", "word " * 1000, "!!!"]


@pytest.fixture(params=["minilm", "hashing", "openai_compatible"])
async def model(request: pytest.FixtureRequest) -> AsyncIterator[EmbeddingModel]:
    if request.param == "minilm":
        yield MiniLMEmbeddings()
    elif request.param == "hashing":
        yield HashingEmbeddings()
    else:
        async with openai_server() as server, httpx.AsyncClient() as client:
            yield OpenAICompatibleEmbeddings(client, base_url=server.base_url, api_key=None, model="test-embedding")


async def test_one_unit_vector_a_text(model: EmbeddingModel) -> None:
    """Every text, the empty one and a very long one too, has a unit-length float32 vector of the model's dimension."""
    made = await model.embed(TEXTS)
    assert made.vectors.shape == (len(TEXTS), model.dimension)
    assert made.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1.0, atol=1e-5)
    assert made.model == model.name


async def test_order_is_kept(model: EmbeddingModel) -> None:
    """Vectors come in the order of the texts, whatever batches they went through."""
    together = (await model.embed(TEXTS)).vectors
    backwards = (await model.embed(TEXTS[::-1])).vectors[::-1]
    if not isinstance(model, OpenAICompatibleEmbeddings):  # the test server's vectors tell the position
        assert np.allclose(together, backwards, atol=2e-2)
    else:
        assert np.allclose(together[0], (await model.embed(TEXTS[:1])).vectors[0])


async def test_no_texts_give_no_vectors(model: EmbeddingModel) -> None:
    """An empty list is answered without asking anybody."""
    made = await model.embed([])
    assert len(made.vectors) == 0
    assert made.input_tokens == 0


async def test_same_text_gives_same_vector(model: EmbeddingModel) -> None:
    """The model is deterministic."""
    assert np.array_equal((await model.embed(["a cat"])).vectors, (await model.embed(["a cat"])).vectors)


async def test_meaning_is_near() -> None:
    """The real model puts like meanings near and unlike ones far."""
    cat, kitten, invoice = (await MiniLMEmbeddings().embed(["a cat", "a kitten", "an overdue invoice"])).vectors
    assert float(cat @ kitten) > 0.6
    assert float(cat @ invoice) < 0.4


async def test_shared_words_are_near() -> None:
    """The fallback finds shared words, which is all it promises."""
    one, two, other = (await HashingEmbeddings().embed(["red apple pie", "apple pie", "green motor car"])).vectors
    assert float(one @ two) > 0.6 > float(one @ other)
