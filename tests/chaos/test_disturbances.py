"""What somebody does to a run while it goes on, at every one of its writes: cancel it, or set the clock.

``AGENTFLOW_CHAOS_SHARE`` sets at which share of the writes.
"""

import os

import pytest

from tests.chaos import campaign
from tests.chaos.corpus import corpus
from tests.chaos.world import Ledger, Process
from tests.runtime.support import SUBJECT

SHARE = float(os.environ.get("AGENTFLOW_CHAOS_SHARE", "0.1"))
HOUR_S = 3600.0


async def cancel(process: Process, ledger: Ledger) -> None:
    """Cancel every run that the client knows; each has ended, or tells so, within two seconds."""
    for run_id in list(ledger.accepted.values()):
        begin = process.clock.monotonic()
        await process.runs.cancel(SUBJECT, run_id)
        ended = await process.runs.get(SUBJECT, run_id)
        assert ended.status.is_terminal, f"{run_id} is {ended.status}"
        assert process.clock.monotonic() - begin <= 2.1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_can_be_cancelled_at_any_moment():
    """It ends within two seconds, cancelled or as it would have; its children too, its log whole, no effect twice."""
    with campaign.simulator() as made:
        tried = campaign.Campaign(made, share=SHARE)
        for case in corpus():
            if not case.name.startswith("cancel/"):
                tried.disturb(case, 0, "cancel", cancel, cancels=True)
    assert tried.tally.failures == {}
    assert tried.tally.scenarios.total() > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_the_clock_can_be_set_at_any_moment(seconds: float):
    """Leases survive it, and every run comes to the end that it would have come to."""

    async def jump(process: Process, ledger: Ledger) -> None:
        process.clock.jump(seconds)

    with campaign.simulator() as made:
        tried = campaign.Campaign(made, share=SHARE)
        # A delay waits for a moment of the wall clock: set back by an hour, it lasts an hour longer.
        for case in [case for case in corpus() if seconds > 0 or "delay" not in case.name]:
            tried.disturb(case, 0, f"clock {seconds:+.0f} s", jump)
    assert tried.tally.failures == {}
    assert tried.tally.scenarios.total() > 100
