"""Finding markers in SQL text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.sources.databases.sql import quoted, translate


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("sqlite", "a = :x AND b = :x", "a = ? AND b = ?"),
        ("mysql", "a = :x AND b = :x", "a = ? AND b = ?"),
        ("postgresql", "a = :x AND b = :x", "a = $1 AND b = $1"),
        ("postgresql", "a::int = :x::int", "a::int = $1::int"),
        ("sqlite", "':y' || :x", "':y' || ?"),
        ("sqlite", "'it''s :y' || :x", "'it''s :y' || ?"),
        ("sqlite", '":y" = :x', '":y" = ?'),
        ("sqlite", "[:y] = :x", "[:y] = ?"),
        ("sqlite", "`:y` = :x", "`:y` = ?"),
        ("sqlite", "-- :y\n:x", "-- :y\n?"),
        ("sqlite", "/* :y */ :x", "/* :y */ ?"),
        ("mysql", "# :y\n:x", "# :y\n?"),
        ("mysql", r"'a\' :y' + :x", r"'a\' :y' + ?"),
        ("postgresql", "$$ :y $$ || :x", "$$ :y $$ || $1"),
        ("postgresql", "$t$ $$ :y $t$ || :x", "$t$ $$ :y $t$ || $1"),
        ("postgresql", r"E'a\' :y' || :x", r"E'a\' :y' || $1"),
        ("postgresql", r"'a\' || :x", r"'a\' || $1"),
        ("mysql", "SET @a := :x", "SET @a := ?"),
    ],
)
def test_markers_are_found_outside_of_quotes_and_comments(dialect, text: str, expected: str) -> None:
    """Strings, names, comments and casts keep their colons."""
    assert translate(text, {"x": 1}, dialect)[0] == expected


def test_values_come_in_the_order_of_their_markers() -> None:
    """Drivers that count get a value for each marker; those that number get each value once."""
    assert translate(":b :a :b", {"a": 1, "b": 2}, "mysql")[1] == [2, 1, 2]
    assert translate(":b :a :b", {"a": 1, "b": 2}, "postgresql")[1] == [2, 1]


@given(st.text(alphabet="':\"`[]$-/*#\\ ab\n", max_size=200), st.sampled_from(["sqlite", "postgresql", "mysql"]))
def test_text_is_kept_but_for_its_markers(text: str, dialect) -> None:
    """Whatever the text, every value is matched by one marker and nothing else changes."""
    params = dict.fromkeys(("a", "b", "ab", "ba", "aa", "bb"), 1)
    try:
        translated, values = translate(text, params, dialect)
    except NodeError as error:
        assert error.error_code == "DB_QUERY"  # noqa: PT017 - most texts do not use every value
        return
    assert len(values) >= len(params)
    assert translated != text


def test_hostile_text_takes_linear_time() -> None:
    """Openings that are never closed do not make the search start over for each."""
    for opening in ("/*", "'", '"', "$a$", "E'\\", "[", "`"):
        with pytest.raises(NodeError):
            translate(opening * 30_000, {"x": 1}, "postgresql")


@given(st.text(min_size=1, max_size=50).filter(lambda name: "\0" not in name), st.sampled_from(["sqlite", "postgresql", "mysql"]))
def test_a_quoted_name_ends_where_it_should(name: str, dialect) -> None:
    """No name can close its own quotes, and no colon in it becomes a marker."""
    text = quoted(name, dialect)
    mark = text[0]
    assert text[1:-1].replace(mark * 2, "").count(mark) == 0
    assert translate(f"SELECT {text}", {}, dialect) == (f"SELECT {text}", [])
