"""``sentiment``: tells how a text sounds, by counting words."""

import re
from typing import Literal

from pydantic import Field

from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext

PLEASED = frozenset({"amazing", "excellent", "good", "great", "happy", "helpful", "love", "perfect", "thank", "thanks", "wonderful"})
DISPLEASED = frozenset({"angry", "awful", "bad", "broken", "disappointed", "hate", "poor", "sad", "slow", "terrible", "useless"})
NEGATIONS = frozenset({"not", "no", "never", "hardly"})


class SentimentConfig(NodeConfig):
    """Settings of ``sentiment``."""

    text: str = Field(description="The text to judge.", examples=["{{ inputs.review }}"])


class SentimentOutput(NodeOutput):
    """What ``sentiment`` finds."""

    label: Literal["positive", "negative", "neutral"] = Field(description="How the text sounds.", examples=["positive"])
    score: float = Field(description="From -1 (displeased) to 1 (pleased).", examples=[0.5])


class SentimentNode(NodeType[SentimentConfig]):
    """Counts pleased and displeased words; one after a negation counts for the other side."""

    type = "sentiment"
    title = "Sentiment"
    description = "Tells whether a text sounds pleased or displeased."
    category = "plugin"
    icon = "smile"
    config_model = SentimentConfig
    output_model = SentimentOutput
    example = {"id": "mood", "type": "sentiment", "config": {"text": "{{ inputs.review }}"}}

    async def run(self, context: NodeContext, config: SentimentConfig) -> SentimentOutput:
        """Judge the text."""
        words = re.findall(r"\w+", config.text.lower())
        votes = [vote for before, word in zip(["", *words], words, strict=False) if (vote := _vote(before, word))]
        score = sum(votes) / len(votes) if votes else 0.0
        label = "positive" if score > 0 else "negative" if score < 0 else "neutral"
        context.log(f"{len(votes)} of {len(words)} words tell a mood")
        return SentimentOutput(label=label, score=round(score, 3))


def _vote(before: str, word: str) -> int:
    vote = (word in PLEASED) - (word in DISPLEASED)
    return -vote if before in NEGATIONS else vote
