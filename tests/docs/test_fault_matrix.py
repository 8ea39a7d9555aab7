"""The fault matrix names tests that exist."""

import re
from pathlib import Path

from scripts.check_features import exists

PAGE = Path(__file__).parents[2] / "docs" / "discussions" / "fault-matrix.md"


def test_every_test_of_the_fault_matrix_exists():
    named = re.findall(r"`(tests/[^`]+)`", PAGE.read_text())
    assert named
    assert [name for name in named if not exists(name)] == []
