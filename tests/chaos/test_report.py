"""The crash report says what the program does now."""

import pytest

from scripts import chaos
from tests.chaos import report


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_crash_report_is_current():
    """Its list of crash points is what a recording of the corpus finds; ``python -m scripts.chaos report`` writes it anew."""
    assert report.enumeration() == report.enumeration_of(chaos.PAGE.read_text())
