"""The retry budget: an outage makes no storm of retries."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext, ResolvedSource
from agentflow.runtime.execution.retry import next_wait_s
from agentflow.runtime.execution.retry_budget import REFILL_S, RetryBudgets
from agentflow.spec.model import RetryPolicy
from tests.runtime.support import SUBJECT, World, run_to_end, spec_of


class CallConfig(NodeConfig):
    """Which system to call."""

    system: str = "down"


class Call(NodeType[CallConfig]):
    """Calls a system that is down."""

    type = "call"
    title = description = "Call"
    category = "data"
    icon = "phone"
    config_model = CallConfig
    source_kinds = frozenset({"http"})
    example: ClassVar[Mapping[str, Any]] = {"id": "call", "type": "call", "config": {}}

    def __init__(self) -> None:
        self.calls = 0

    def source_required(self, config: Mapping[str, Any]) -> bool:
        return False

    def outside(self, config: CallConfig, source: ResolvedSource | None) -> str | None:
        return config.system

    async def run(self, context: NodeContext, config: CallConfig) -> Any:
        self.calls += 1
        raise NodeError("It is down.", error_code="HTTP_STATUS", retryable=True, hint="Wait.")


def _spec(system: str = "down", **retry: Any) -> Any:
    policy = {"max_attempts": 5, "initial_interval_s": 0, "max_interval_s": 0, **retry}
    return spec_of([{"id": "call", "type": "call", "config": {"system": system}, "retry": policy}])


async def test_an_outage_makes_no_storm(world: World):
    """A hundred runs that may try five times each make a hundred and twenty attempts, and the reserve, instead of five hundred."""
    call = Call()
    world.registry.add(call)
    async with world.runtime(retry_budget_reserve=5) as runs:
        ended = await asyncio.gather(*(run_to_end(runs, _spec()) for _ in range(100)))
        other = await run_to_end(runs, _spec("another"))
    assert 100 < call.calls - other.error.attempt <= 100 * 1.2 + 5
    assert {run.status for run in ended} == {"failed"}
    refused = [run for run in ended if run.error.details.get("not_retried") == "retry_budget"]
    assert refused
    assert refused[0].error.hint == "down fails so often that its retry budget is spent: it may be down. Wait."
    assert other.error.attempt == 5  # another system, another budget


async def test_a_retry_waits_for_its_budget_as_long_as_the_policy_allows(world: World):
    """The event says that the wait is the budget's."""
    world.registry.add(Call())
    async with world.runtime(retry_budget_reserve=1, retry_budget_ratio=0, shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, _spec(max_interval_s=90), {})
        waits = []
        async for event in runs.follow(SUBJECT, run.id):
            if event.type == "node.retrying":
                waits.append(event.data)
            if len(waits) == 2:
                break
    assert "reason" not in waits[0]
    assert (waits[1]["reason"], round(waits[1]["wait_s"])) == ("retry_budget", REFILL_S)


async def test_one_run_alone_has_its_retries(world: World):
    """A budget without history has its reserve."""
    call = Call()
    world.registry.add(call)
    async with world.runtime() as runs:
        run = await run_to_end(runs, _spec())
    assert run.error.attempt == 5
    assert run.error.details == {}


@given(
    ratio=st.floats(0, 1),
    reserve=st.integers(0, 20),
    steps=st.lists(st.tuples(st.floats(0, 30), st.booleans(), st.floats(0, 100)), max_size=200),
)
def test_retries_stay_within_their_share(ratio: float, reserve: int, steps: list[tuple[float, bool, float]]) -> None:
    """Whatever comes in whatever order: retries due by a time are at most the ratio of first attempts, the reserve, and one a minute."""
    now = [0.0]
    budgets = RetryBudgets(ratio, reserve, lambda: now[0])
    firsts = granted = 0
    for seconds, is_first, longest_s in steps:
        now[0] += seconds
        if is_first:
            budgets.first_attempt("t", "s")
            firsts += 1
        else:
            wait_s = budgets.withdraw("t", "s", longest_s)
            assert wait_s is None or 0 <= wait_s <= longest_s
            granted += wait_s == 0
    assert granted <= ratio * firsts + reserve + now[0] / REFILL_S + 1e-6


def test_tenants_and_systems_have_budgets_of_their_own() -> None:
    """What one has spent the other still has."""
    budgets = RetryBudgets(0.0, 1, lambda: 0.0)
    assert [budgets.withdraw(*place, 0.0) for place in [("t", "s"), ("t", "s"), ("t", "r"), ("u", "s")]] == [0.0, None, 0.0, 0.0]


@given(chance=st.floats(0, 1), jitter=st.floats(0, 1), asked=st.floats(0, 10_000))
def test_retry_after_is_honoured_up_to_the_longest_interval(chance: float, jitter: float, asked: float) -> None:
    """Jitter makes a wait that a server asked for longer, never shorter; the policy's bound holds."""
    policy = RetryPolicy(initial_interval_s=0, max_interval_s=60, jitter=jitter)
    error = NodeError("", error_code="X", retryable=True, retry_after_s=asked)
    wait_s = next_wait_s(policy, 1, error, chance)
    assert wait_s is not None
    assert min(asked, 60) <= wait_s <= min(asked, 60) * (1 + jitter)
