"""What happens to a run beside a death, at every one of its writes: it is cancelled, the clock is set, the newest checkpoints are lost.

``AGENTFLOW_CHAOS_SHARE`` sets at which share of the writes; at 1, every workflow is disturbed with every effect class.
"""

import os
from pathlib import Path

import pytest

from agentflow.spec.effects import EffectClass
from tests.chaos import campaign
from tests.chaos.corpus import Case, corpus
from tests.chaos.world import Ledger, Process
from tests.runtime.support import SUBJECT

SHARE = float(os.environ.get("AGENTFLOW_CHAOS_SHARE", "0.2"))
HOUR_S = 3600.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 if SHARE < 1 else 3_600)]


def cases() -> list[Case]:
    """Return every workflow, each with another effect class than the one before it."""
    every = corpus()
    if SHARE >= 1:
        return every
    flows = list(dict.fromkeys(case.name.partition("/")[0] for case in every))
    kinds = list(EffectClass)
    chosen = {f"{flow}/{kinds[number % len(kinds)]}" for number, flow in enumerate(flows)}
    return [case for case in every if case.name in chosen]


async def cancel(process: Process, ledger: Ledger) -> None:
    """Cancel every run that the client knows; each has ended, or tells so, within two seconds."""
    for run_id in list(ledger.accepted.values()):
        begin = process.clock.monotonic()
        await process.runs.cancel(SUBJECT, run_id)
        ended = await process.runs.get(SUBJECT, run_id)
        assert ended.status.is_terminal, f"{run_id} is {ended.status}"
        assert process.clock.monotonic() - begin <= 2.1


def test_a_run_can_be_cancelled_at_any_moment():
    """It ends within two seconds, cancelled or as it would have; its children too, its log whole, no effect twice."""
    with campaign.simulator() as made:
        tried = campaign.Campaign(made, share=SHARE)
        for case in cases():
            if not case.name.startswith("cancel/"):
                tried.disturb(case, 0, "cancel", cancel, cancels=True)
    assert tried.tally.failures == {}
    assert tried.tally.scenarios.total() > 100


def test_the_clock_can_be_set_at_any_moment():
    """An hour on or back: leases survive it, and every run comes to the end that it would have come to."""
    with campaign.simulator() as made:
        tried = campaign.Campaign(made, share=SHARE)
        for number, case in enumerate(cases()):
            # A delay waits for a moment of the wall clock: set back by an hour, it lasts an hour longer.
            ways = [HOUR_S] if "delay" in case.name else [HOUR_S, -HOUR_S]
            for seconds in ways if SHARE >= 1 else [ways[number % len(ways)]]:

                async def jump(process: Process, ledger: Ledger, seconds: float = seconds) -> None:
                    process.clock.jump(seconds)

                tried.disturb(case, 0, f"clock {seconds:+.0f} s", jump)
    assert tried.tally.failures == {}
    assert tried.tally.scenarios.total() > 100


def test_checkpoints_may_lag_behind_the_journal(tmp_path: Path):
    """The newest ones are lost with the process (Redis was flushed, or died with it): the same end, and what had finished stays finished."""
    with campaign.simulator() as made:
        tried = campaign.Campaign(made, share=SHARE)
        for case in cases():
            tried.lag(case, 0, tmp_path / "lagging")
    assert tried.tally.failures == {}
    assert tried.tally.scenarios.total() > 100
