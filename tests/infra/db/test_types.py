"""Column types: what is written is what is read, on both databases."""

import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from agentflow.infra.db.engine import Database
from agentflow.kit import json
from agentflow.kit.ids import new_id
from tests.infra.db.values import MANY, VALUES, documents, moments


async def round_trip(database: Database, **values: Any) -> Any:
    """Write a row and return what another connection reads."""
    async with database.connection() as connection:
        await connection.execute(VALUES.delete())
        await connection.execute(insert(VALUES).values(n=1, **values))
    async with database.reading() as session:
        return (await session.execute(select(VALUES))).one()


@MANY
@given(st.lists(documents, min_size=20, max_size=20))
async def test_json_is_kept_to_the_letter(table: Database, batch: list[Any]) -> None:
    """Key order and 1.0 against 1 survive, whatever the document."""
    row = await round_trip(table, data=batch)
    assert json.dumps(row.data) == json.dumps(batch)


async def test_an_absent_document_and_a_null_both_read_as_none(table: Database) -> None:
    """A nullable payload has one kind of nothing."""
    assert (await round_trip(table, data=None)).data is None


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**70, "\ud800"])
async def test_what_is_not_json_is_refused_before_the_database(table: Database, value: Any) -> None:
    """The error is ours and typed, and nothing is stored."""
    with pytest.raises(StatementError) as caught:
        await round_trip(table, data=value)
    assert isinstance(caught.value.orig, json.InvalidJson)


@MANY
@given(moments)
async def test_times_keep_their_microseconds_and_are_utc(table: Database, moment: datetime) -> None:
    """Any zone goes in, UTC comes out, equal to the microsecond."""
    row = await round_trip(table, at=moment)
    assert row.at == moment.astimezone(UTC)
    assert row.at.tzinfo is UTC


async def test_times_are_ordered_in_the_database_as_in_python(table: Database) -> None:
    """Comparisons in SQL agree with those of the program, before 1970 too."""
    times = [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))]
    async with table.connection() as connection:
        await connection.execute(insert(VALUES), [{"n": n, "at": moment} for n, moment in enumerate(times)])
    async with table.reading() as session:
        found = await session.scalars(select(VALUES.c.n).where(VALUES.c.at > times[0]))
        assert list(found.all()) == [1]


@MANY
@given(st.uuids())
async def test_ids_come_back_in_canonical_form(table: Database, value: uuid.UUID) -> None:
    """The id is lower-case text with hyphens, however it is stored."""
    assert (await round_trip(table, id=str(value))).id == str(value)


@pytest.mark.parametrize("text", ["", "x", "00000000-0000-0000-0000-00000000000", "' OR 1=1 --", "\0", "é" * 36])
async def test_text_that_is_no_id_matches_nothing(table: Database, text: str) -> None:
    """A query by garbage is an empty answer and no error."""
    await round_trip(table, id=new_id())
    async with table.reading() as session:
        assert list((await session.scalars(select(VALUES.c.n).where(VALUES.c.id == text))).all()) == []


async def test_ids_are_ordered_as_their_text(table: Database) -> None:
    """Sorting by id in the database is sorting by time of creation."""
    ids = sorted(str(uuid.uuid4()) for _ in range(20))
    async with table.connection() as connection:
        await connection.execute(insert(VALUES), [{"n": n, "id": id_} for n, id_ in enumerate(reversed(ids))])
    async with table.reading() as session:
        assert list((await session.scalars(select(VALUES.c.id).order_by(VALUES.c.id))).all()) == ids


async def test_searchable_json_is_compared_by_value_inside_the_database(table: Database) -> None:
    """A member of a document can be asked for in SQL."""
    await round_trip(table, searchable={"tag": "ml", "n": 1})
    async with table.reading() as session:
        found = await session.scalars(select(VALUES.c.n).where(VALUES.c.searchable["tag"].as_string() == "ml"))
        assert list(found.all()) == [1]
