"""Buckets of one process: what is left is told exactly, however long ago the clock began."""

import math

import pytest

from agentflow.endpoints.edges import headers_of
from agentflow.infra.limits.rates import Claim, LocalRates, Rate

RATE = Rate("key", 10)


@pytest.mark.parametrize("began", [0.0, 0.1, 12_345.678, 86_400.0 * 365, 1_789_000_000.123_456, 2.0**33 + 0.7])
def test_what_is_left_is_told_exactly_at_any_time_of_the_clock(began):
    """Sums of times lose digits as the clock grows; neither a token nor a second may come of it."""
    rates = LocalRates(lambda: began)
    for left in reversed(range(10)):
        standing = rates.take_now([Claim("bucket", RATE)])
        headers = dict(headers_of(standing))
        assert standing.is_granted
        assert headers[b"ratelimit"] == b'"key";r=%d;t=%d' % (left, 6 * (10 - left))
    refused = rates.take_now([Claim("bucket", RATE)])
    assert (refused.is_granted, refused.remaining, math.ceil(refused.wait_s - 0.001)) == (False, 0, 6)
