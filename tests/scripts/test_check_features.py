"""The list of features is checked."""

from scripts import check_features

HEAD = "| id | feature | where | test |\n|---|---|---|---|\n"
GOOD = "| S1-01 | runs | `src/agentflow/spec` | `tests/scripts/test_check_features.py::test_a_row_that_is_true_passes` |\n"


def test_a_row_that_is_true_passes():
    """The place exists and the test exists."""
    assert check_features.faults(HEAD + GOOD) == []


def test_a_test_that_does_not_exist_is_found_out():
    """A renamed test cannot go on vouching."""
    assert check_features.faults(HEAD + GOOD.replace("_passes", "_passed")) == [
        "S1-01: there is no test tests/scripts/test_check_features.py::test_a_row_that_is_true_passed"
    ]


def test_a_place_that_does_not_exist_is_found_out():
    """Nor can a moved file."""
    assert check_features.faults(HEAD + GOOD.replace("agentflow/spec", "agentflow/nowhere")) == ["S1-01: there is no src/agentflow/nowhere"]


def test_a_row_that_cannot_be_read_is_found_out():
    """A row without a test is not passed over."""
    assert check_features.faults(HEAD + "| S1-02 | runs | `src` |\n") == ["1 rows cannot be read: they need id, feature, place and test"]
