"""The pages of attacks and of ASVS cannot fall behind unnoticed."""

import pytest

from scripts import check_asvs
from scripts.security import catalogue

ROW = "| 1.1.1 | 2 | Input | `tests/scripts/test_security_pages.py::test_a_true_row_passes` |\n"
LEVELS = {"1.1.1": "2"}


@pytest.mark.parametrize(
    "shown",
    [
        "`tests/scripts/test_security_pages.py::test_a_true_row_passes`",
        "*not applicable:* there is none",
        "*owed:* it is not there yet",
        "[keys](README.md#keys)",
    ],
)
def test_a_true_row_passes(shown):
    """A test, a page, or a reason."""
    assert check_asvs.faults(f"| 1.1.1 | 2 | Input | {shown} |\n", LEVELS) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1.1.1 is missing"),
        (ROW + ROW, "1.1.1 stands 2 times"),
        (ROW.replace("| 2 |", "| 1 |"), "1.1.1 is of level 2"),
        (ROW + ROW.replace("1.1.1", "1.1.9"), "1.1.9 is of level none: there is no such requirement"),
        (ROW.replace("_passes", "_passed"), "there is no test"),
        ("| 1.1.1 | 2 | Input | somehow |\n", "neither a test, nor a page, nor a reason"),
        ("| 1.1.1 | 2 | Input | *owed:* |\n", "neither a test, nor a page, nor a reason"),
        ("| 1.1.1 | 2 | Input | [keys](README.md#locks) |\n", "there is no README.md#locks"),
        ("| 1.1.1 | 2 | Input |\n", "1 rows cannot be read"),
    ],
)
def test_a_false_row_is_found_out(text, fault):
    """Missing, twice, of another level, or with nothing behind it."""
    assert any(fault in found for found in check_asvs.faults(text, LEVELS))


def test_every_requirement_of_the_standard_is_there():
    """Seventy of level 1 and 183 of level 2, as the standard has."""
    levels = list(check_asvs.standard().values())
    assert (levels.count("1"), levels.count("2")) == (70, 183)
    assert check_asvs.check() == []


def test_numbers_are_read_from_names_and_docstrings(tmp_path):
    """And from nowhere else."""
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_a.py").write_text(
        'def test_s01_s2_a():\n    """S3: x."""\n\nclass TestB:\n    def test_c(self):\n        """S4, S5: x. S6: y."""\n\ndef test_d():\n    """Of S7: nothing."""\n'
    )
    found = catalogue.carried(tests)
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert found[4] == ["tests/test_a.py::TestB::test_c"]


def test_an_attack_without_test_and_reason_is_found_out():
    """So is a gap in the numbers, and a test that carries a number that there is not."""
    groups = {"a": [catalogue.Attack(1, "one"), catalogue.Attack(3, "three", owed="a test")]}
    found = catalogue.faults(groups, {9: ["tests/test_a.py::test_s9"]})
    assert found == [
        "the numbers are not S1, S2, … without a gap",
        "tests/test_a.py::test_s9 carries S9, which the catalogue does not know",
        "S1 has no test and no reason: one",
    ]


def test_the_page_of_attacks_is_current():
    """`make docs` would change nothing."""
    assert catalogue.check() == []
