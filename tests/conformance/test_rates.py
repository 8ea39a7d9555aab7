"""What every implementation of requests a minute has to do: one suite, in this process and in Redis."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentflow.infra.limits.leased import LeasedRates
from agentflow.infra.limits.rates import WINDOW_S, Claim, LocalRates, Rate
from agentflow.infra.redis import open_redis
from agentflow.kit.ids import new_id
from tests.support.redis_server import REDIS


@pytest.fixture(params=["local", "leased", "leased from a cluster"])
async def rates(request):
    """Give an implementation; the tests let no time go by that they could not bear."""
    if request.param == "local":
        yield LocalRates()
        return
    url = REDIS if request.param == "leased" else request.getfixturevalue("redis_cluster")
    async with open_redis(url, repeats=0) as redis:
        opened = LeasedRates(redis)
        yield opened
        await opened.close()


def claim(quota, name="user", key=None):
    """Return a claim on a bucket of the test's own."""
    return Claim(f"test:{key or new_id()}", Rate(name, quota))


async def taken(rates, claims, count):
    """Ask so many times, and return how often it was granted and how things stand at the end."""
    standings = [await rates.take(claims) for _ in range(count)]
    return sum(standing.is_granted for standing in standings), standings[-1]


async def test_a_quota_is_granted_and_no_more(rates):
    """The first thirty pass; whoever comes after is told when there is a token again."""
    granted, standing = await taken(rates, [claim(30)], 40)
    assert granted == 30
    assert standing.remaining == 0
    assert 0 < standing.wait_s <= WINDOW_S / 30
    assert WINDOW_S * 0.9 < standing.full_s <= WINDOW_S


async def test_what_is_left_is_counted_down(rates):
    """Each answer tells what is left, and when all will be there again."""
    wanted = [claim(100)]
    assert [(await rates.take(wanted)).remaining for _ in range(5)] == [99, 98, 97, 96, 95]
    assert (await rates.take(wanted)).full_s == pytest.approx(6 * 0.6, abs=0.3)


async def test_the_tightest_limit_is_told(rates):
    """Of several limits the one counts that leaves least."""
    wide, narrow = claim(1_000, "tenant"), claim(5, "key")
    assert (await rates.take([wide, narrow])).rate.name == "key"


async def test_where_one_claim_fails_nothing_is_taken(rates):
    """Whoever is refused by one limit does not use up the others."""
    wide, narrow = claim(50, "tenant"), claim(3, "key")
    granted, standing = await taken(rates, [wide, narrow], 20)
    assert (granted, standing.rate.name) == (3, "key")
    granted, _ = await taken(rates, [wide], 60)
    assert granted == 47


async def test_buckets_do_not_know_one_another(rates):
    """The same limit under another key is another limit."""
    one, other = claim(2), claim(2)
    assert (await taken(rates, [one], 5))[0] == 2
    assert (await taken(rates, [other], 5))[0] == 2


async def test_what_happened_already_is_counted_and_then_refused(rates):
    """Counting never refuses; looking takes nothing."""
    wanted = [claim(3, "misses")]
    assert rates.refusal(wanted) is None
    for _ in range(4):
        rates.count(wanted)
        await rates.take([claim(10)])  # lets what was counted be written down
    if isinstance(rates, LeasedRates):
        await rates.close()
    for _ in range(3):
        standing = rates.refusal(wanted)
        assert standing is not None
        assert standing.wait_s > 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(quota=st.integers(1, 500), pauses=st.lists(st.floats(0, 20), max_size=60))
def test_no_window_grants_more_than_the_quota_and_what_flows_in(quota, pauses):
    """Over any time of t seconds at most the quota and t times the rate pass, and nobody is refused before that."""
    now = [1_000.0]
    rates, wanted, passed = LocalRates(lambda: now[0]), [claim(quota)], []
    for pause in pauses:
        now[0] += pause
        passed.extend(now[0] for _ in range(quota // 5 + 1) if rates.take_now(wanted).is_granted)
    for begin in range(0, len(passed), max(len(passed) // 20, 1)):
        for end in range(begin, len(passed), max(len(passed) // 20, 1)):
            assert end - begin + 1 <= quota + (passed[end] - passed[begin]) * quota / WINDOW_S + 1e-6


def test_buckets_that_are_full_again_are_forgotten():
    """What a flood of addresses leaves behind goes away."""
    now = [1_000.0]
    rates = LocalRates(lambda: now[0])
    for number in range(30_000):
        now[0] += 0.1
        rates.take_now([claim(60, key=str(number))])
    assert len(rates) < 20_000
