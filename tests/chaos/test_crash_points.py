"""Every write is a moment to die: nothing is lost, nothing happens twice, and the outcome is that of a run without a crash.

``make chaos ARGS=enumerate`` tries all points under several seeds; ``python -m scripts.chaos replay COORDINATES`` makes one scenario
happen again.
"""

import pytest

from agentflow.spec.effects import EffectClass
from scripts.chaos import simulated
from tests.chaos import campaign, report
from tests.chaos.corpus import corpus

SHARE, TWICE = 0.85, 0.05
LEAST = 0.83
"""Of more than 2,410 points: the tests below kill at least 2,000 times together."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", list(EffectClass))
def test_a_death_at_any_write_loses_nothing_and_repeats_nothing(kind: EffectClass):
    """Effects obey their class, logs have no gap, finished nodes do not run again, no run is left behind; and the report is current."""
    tally = campaign.run([case for case in corpus() if case.name.endswith(f"/{kind}")], [0], share=SHARE, twice=TWICE)
    assert tally.failures == {}
    assert tally.deaths >= LEAST * sum(tally.points.values())
    # `python -m scripts.chaos report` writes it anew.
    assert report.facts(tally, kind) == report.facts_of(simulated.PAGE.read_text(), kind)


def test_a_simulation_with_the_same_seed_takes_the_same_course():
    """Coordinates name one scenario for good."""
    together = campaign.case_of("together/keyed")
    with campaign.simulator() as made:
        traces = [made.run(together, made.empty, seed, record=True).trace for seed in ("1", "1", "2")]
    assert traces[0] == traces[1] != traces[2]
