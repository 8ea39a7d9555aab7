"""Turn texts into vectors."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext, estimate_tokens

MAX_TEXTS = 2_000


class EmbeddingConfig(NodeConfig):
    """The texts."""

    texts: list[str] = Field(max_length=MAX_TEXTS, description="The texts, one vector each.", examples=[["{{ inputs.text }}"]])


class EmbeddingOutput(NodeOutput):
    """Their vectors."""

    vectors: list[list[float]] = Field(description="One unit-length vector a text, in the same order.")
    model: str = Field(description="The model that made them; vectors of different models cannot be compared.")
    dimension: int = Field(description="Length of each vector; 0 when there were no texts.")


class EmbeddingNode(NodeType[EmbeddingConfig]):
    """Texts to vectors, by the local model or a server's."""

    type = "embedding"
    title = "Embedding"
    description = "Turns texts into vectors whose cosine says how near their meanings are; without a source by the local all-MiniLM-L6-v2."
    category = "ai"
    icon = "binary"
    config_model = EmbeddingConfig
    output_model = EmbeddingOutput
    source_kinds = frozenset({"embedding"})
    example = {
        "id": "vectors",
        "type": "embedding",
        "config": {"texts": ["{{ inputs.question }}"]},
    }

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Without a source the local model is used."""
        return False

    def expected_tokens(self, config: EmbeddingConfig) -> int:
        """Return the length of the texts by a rule of thumb."""
        return sum(map(estimate_tokens, config.texts))

    async def run(self, context: NodeContext, config: EmbeddingConfig) -> EmbeddingOutput:
        """Embed the texts; see the base for what it raises."""
        vectors, usage = await context.models.embed(context.source, config.texts)
        context.use(usage)
        return EmbeddingOutput(
            vectors=[list(vector) for vector in vectors], model=usage.model or "", dimension=len(vectors[0]) if vectors else 0
        )
