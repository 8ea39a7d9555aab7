"""Per-node and per-run policies: retry, timeouts, cache, limits, cancellation."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

import pytest

from agentflow.errors import NodeError
from agentflow.nodes.context import NodeContext
from tests.runtime.support import SUBJECT, Probe, ProbeConfig, World, probe, run_to_end, spec_of, statuses, transform


class DeafProbe(Probe):
    """A probe in which a library loses the cancellation, as ``asyncio.wait_for`` may until Python 3.12."""

    type = "deaf_probe"
    example: ClassVar[Mapping[str, Any]] = {"id": "probe", "type": "deaf_probe", "config": {}}

    async def run(self, context: NodeContext, config: ProbeConfig) -> Any:
        with suppress(asyncio.CancelledError):
            await super().run(context, config)
        if config.value == "fails":
            raise NodeError("The connection was lost.", error_code="PROBE", retryable=True)


async def test_a_retryable_failure_is_tried_again(world: World):
    """Two failures and a success are one completed node run with three attempts, visible in the events."""
    node = probe("p", fail_times=2, value="ok", policy={"retry": {"max_attempts": 3, "initial_interval_s": 0.01}})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([node]))
        events = [event.type.value for event in await runs.events(SUBJECT, run.id)]
        (record,) = await runs.nodes(SUBJECT, run.id)
    assert run.outputs == "ok"
    assert record.attempts == 3
    assert events.count("node.retrying") == 2
    assert events.count("node.started") == 1


async def test_attempts_end_at_the_maximum(world: World):
    """The error after the last attempt is the node's error."""
    node = probe("p", fail_times=9, policy={"retry": {"max_attempts": 2, "initial_interval_s": 0}})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([node]))
    assert run.error is not None
    assert run.error.attempt == 2
    assert world.probe.runs["p"] == 2


async def test_a_node_that_takes_too_long_fails_with_timeout(world: World):
    """``timeout_s`` ends an attempt with a typed error that names the figure."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([probe("p", wait_for="never", policy={"timeout_s": 0.05})]))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "TIMEOUT"
    assert "0.05" in run.error.message


async def test_a_run_that_takes_too_long_is_timed_out(world: World):
    """``limits.timeout_s`` ends the run itself; what was done stays readable."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([transform("a", 1), probe("p", wait_for="never")], ["a>p"], limits={"timeout_s": 0.2}))
        states = await statuses(runs, run.id)
    assert run.status == "timed_out"
    assert states["a"] == "completed"


async def test_cancel_stops_a_running_node_and_ends_the_run(world: World):
    """A cancelled run is terminal, and says so in its last event."""
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("p", wait_for="never")]), {})
        await world.probe.arrival("never").wait()
        cancelled = await runs.cancel(SUBJECT, run.id)
        events = await runs.events(SUBJECT, run.id)
        again = await runs.cancel(SUBJECT, run.id)
    assert cancelled.status == again.status == "cancelled"
    assert events[-1].type == "run.cancelled"


@pytest.mark.parametrize("value", ["fails", "succeeds"])
@pytest.mark.parametrize("beside", [False, True])
async def test_a_cancellation_that_a_node_lost_ends_the_run_all_the_same(world: World, value: str, beside: bool):
    """There is no further attempt, and no node after it begins."""
    world.registry.add(deaf := DeafProbe())
    node = probe("p", "deaf_probe", {"retry": {"max_attempts": 3, "initial_interval_s": 0}}, value=value, wait_for="never")
    nodes, ways = [transform("a", 1), node, probe("next")], ["a>p", "p>next"]
    if beside:
        nodes, ways = [*nodes, probe("q", wait_for="never")], [*ways, "a>q"]
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of(nodes, ways), {})
        await deaf.arrival("never").wait()
        async with asyncio.timeout(10):
            cancelled = await runs.cancel(SUBJECT, run.id)
    assert cancelled.status == "cancelled"
    assert deaf.runs == {"p": 1}
    assert not world.probe.runs["next"]


async def test_a_cached_output_is_used_by_the_next_run(world: World):
    """Within ``ttl_s`` a node with the same rendered config does not run again; another config does."""
    spec = spec_of(
        [probe("p", value="{{ inputs.x }}", policy={"cache": {"ttl_s": 60}})],
        inputs={"type": "object", "properties": {"x": {"type": "integer"}}},
    )
    async with world.runtime() as runs:
        first = await run_to_end(runs, spec, {"x": 1})
        second = await run_to_end(runs, spec, {"x": 1})
        other = await run_to_end(runs, spec, {"x": 2})
    assert [first.outputs, second.outputs, other.outputs] == [1, 1, 2]
    assert world.probe.runs["p"] == 2


async def test_a_run_stops_at_its_token_limit(world: World):
    """``limits.max_tokens`` names itself and the value that passed it."""
    spec = spec_of([probe("a", tokens=60), probe("b", tokens=60)], ["a>b"], limits={"max_tokens": 100})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
    assert run.error is not None
    assert (run.error.code, run.error.node_id) == ("LIMIT_EXCEEDED", "b")
    assert "120" in run.error.message


async def test_inputs_get_their_defaults_and_absent_optional_ones_are_null(world: World):
    """A declared input that was left out has its default, or is null in templates."""
    inputs = {"type": "object", "properties": {"a": {"type": "integer", "default": 7}, "b": {"type": "string"}}}
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([transform("t", {"a": "{{ inputs.a }}", "b": "{{ inputs.b }}"})], inputs=inputs))
    assert run.outputs == {"a": 7, "b": None}
