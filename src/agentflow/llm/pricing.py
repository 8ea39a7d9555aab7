"""What a model call costs, from the prices a source states."""

from dataclasses import replace
from decimal import Decimal

from agentflow.sources.chat_models.base import Usage

_MILLION = Decimal(1_000_000)


def priced(usage: Usage, input_usd_per_million: Decimal | None, output_usd_per_million: Decimal | None) -> Usage:
    """Return ``usage`` with its cost; None unless the price of every kind of token that was used is known."""
    cost = Decimal(0)
    for tokens, price in ((usage.input_tokens, input_usd_per_million), (usage.output_tokens, output_usd_per_million)):
        if tokens and price is None:
            return replace(usage, cost_usd=None)
        cost += tokens * (price or Decimal(0)) / _MILLION
    return replace(usage, cost_usd=cost)
