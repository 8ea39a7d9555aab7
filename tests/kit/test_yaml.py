"""YAML as another way to write JSON."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.kit import yaml

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)


@given(values)
def test_what_is_written_reads_back_the_same(value):
    """Every JSON value survives the way through YAML."""
    assert yaml.loads(yaml.dumps(value).encode()) == value


@given(st.binary())
def test_any_bytes_give_a_value_or_invalid_yaml(data):
    """No input raises anything but InvalidYaml."""
    with contextlib.suppress(yaml.InvalidYaml):
        yaml.loads(data)


def test_the_core_schema_decides_what_is_text():
    """What only YAML 1.1 takes for numbers, dates and truth values stays text."""
    document = b"a: 010\nb: yes\nc: 2024-01-01\nd: 1e3\ne: 0x1F\nf: ~\ng: .5\nh: on\n<<: 3\ni: 1:30\nj: .nan"
    expected = {"a": "010", "b": "yes", "c": "2024-01-01", "d": 1000.0, "e": 31, "f": None, "g": 0.5, "h": "on", "<<": 3}
    assert yaml.loads(document) == expected | {"i": "1:30", "j": ".nan"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a: &x [1]\nb: *x", "aliases"),
        (b"!!python/object/apply:os.system ['true']", "tags"),
        (b"a: !!binary aGk=", "tags"),
        (b"[" * 2_000, "nested deeper"),
        (b"1: 2", "key must be str"),
        (b"a: 99999999999999999999999", "64-bit"),
        (b"---\n1\n---\n2", "single document"),
        (b"a: \xff", "UTF-8"),
    ],
)
def test_tricks_are_refused_with_their_name(data, reason):
    """Aliases, tags, depth and what JSON cannot hold are refused before anything is built of them."""
    with pytest.raises(yaml.InvalidYaml, match=reason):
        yaml.loads(data)
