"""Values of databases as JSON, and JSON as values of databases."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.kit import json as strict
from agentflow.sources.databases.values import to_json
from tests.support.user_databases import User

PYTHON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(PYTHON_VALUES)
def test_every_value_becomes_json_that_can_be_stored(value) -> None:
    """Whatever a driver returns, the output of the node can be kept."""
    strict.loads(json.dumps(to_json(value)))


TYPES = {
    "sqlite": (
        "SELECT 1 AS i, 1.5 AS f, 'x' AS t, x'00ff' AS b, NULL AS n, 9e999 AS inf",
        {"i": 1, "f": 1.5, "t": "x", "b": "AP8=", "n": None, "inf": "inf"},
    ),
    "postgresql": (
        "SELECT 1 AS i, 9223372036854775807 AS big, 1.50::numeric AS d, 1.5::float8 AS f, 'NaN'::float8 AS nan, true AS y,"
        " '2030-01-02'::date AS day, '2030-01-02 03:04:05'::timestamp AS at, '2030-01-02 03:04:05+02'::timestamptz AS tz,"
        " '\\x00ff'::bytea AS b, '{\"a\": [1]}'::jsonb AS j, ARRAY[1, 2] AS a, interval '1 day' AS span,"
        " '019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a'::uuid AS id, ROW(true, 'x') AS r, ARRAY[ROW(true)] AS rs, point(1, 2) AS p, B'101' AS bits",
        {
            "i": 1,
            "big": 9223372036854775807,
            "d": "1.50",
            "f": 1.5,
            "nan": "nan",
            "y": True,
            "day": "2030-01-02",
            "at": "2030-01-02T03:04:05",
            "tz": "2030-01-02T01:04:05Z",
            "b": "AP8=",
            "j": {"a": [1]},
            "a": [1, 2],
            "span": "P1D",
            "id": "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a",
            "r": "(t,x)",
            "rs": ["(t)"],
            "p": "(1,2)",
            "bits": "101",
        },
    ),
    "mysql": (
        "SELECT 1 AS i, 1.50 AS d, 1.5e0 AS f, CAST('2030-01-02' AS DATE) AS day, CAST('2030-01-02 03:04:05' AS DATETIME) AS at,"
        " CAST('-10:11:12' AS TIME) AS span, CAST('x' AS BINARY) AS b, 18446744073709551615 AS big",
        {
            "i": 1,
            "d": "1.50",
            "f": 1.5,
            "day": "2030-01-02",
            "at": "2030-01-02T03:04:05",
            "span": "-10:11:12",
            "b": "eA==",
            "big": "18446744073709551615",
        },
    ),
}


async def test_types_come_as_json(user: User) -> None:
    """Moments are ISO 8601, exact numbers text, bytes base64."""
    text, expected = TYPES[user.dialect]
    assert (await user.run(text))[0].rows == [expected]


COLUMNS = {
    "sqlite": "i INTEGER, d NUMERIC, day TEXT, at TEXT, y INTEGER, j TEXT",
    "postgresql": "i BIGINT, d NUMERIC(10, 2), day DATE, at TIMESTAMPTZ, y BOOLEAN, j JSONB",
    "mysql": "i BIGINT, d DECIMAL(10, 2), day DATE, at DATETIME, y BOOLEAN, j JSON",
}


async def test_json_values_fit_typed_columns(user: User) -> None:
    """A date or an exact number given as text goes into a column of that type."""
    await user.run(f"CREATE TABLE {{t}}_v ({COLUMNS[user.dialect]})", write=True)
    row = {"i": 7, "d": "12.50", "day": "2030-01-02", "at": "2030-01-02 03:04:05", "y": True, "j": {"a": [1]}}
    await user.run(("INSERT INTO {t}_v VALUES (:i, :d, :day, :at, :y, :j)", row), write=True)
    found = (
        await user.run(
            ("SELECT i, day FROM {t}_v WHERE i = :i AND d = :d AND day = :day AND y = :y", {k: row[k] for k in ("i", "d", "day", "y")})
        )
    )[0].rows
    await user.run("DROP TABLE {t}_v", write=True)
    assert found == [{"i": 7, "day": "2030-01-02"}]


@pytest.mark.parametrize("value", [2**63, -(2**70), "a\0b"])
async def test_values_that_a_database_cannot_hold_are_refused_or_kept(user: User, value) -> None:
    """A number too large or text with NUL never breaks the connection: it is refused by type."""
    try:
        await user.run(("INSERT INTO {t} VALUES (3, :v)", {"v": value}), write=True)
    except NodeError as error:
        assert error.error_code == "DB_QUERY"  # noqa: PT017 - which of them refuse depends on the database
    assert (await user.run("SELECT 1 AS one"))[0].rows == [{"one": 1}]


async def test_a_type_of_which_there_is_no_text_is_refused_with_a_way_out(user: User) -> None:
    """PostgreSQL's ranges have to be cast; guessing at them would give wrong values."""
    if user.dialect == "postgresql":
        error = await user.refused("SELECT int4range(1, 2)")
        assert (error.error_code, error.hint) == ("DB_QUERY", "Cast the column to text.")
        assert (await user.run("SELECT int4range(1, 2)::text AS r"))[0].rows == [{"r": "[1,2)"}]
