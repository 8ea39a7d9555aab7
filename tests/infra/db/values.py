"""A table with a column of each of our types, the fixture that makes it, and values to try."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table

from agentflow.infra.db.engine import Database
from agentflow.infra.db.types import Id, Jsonb, JsonText, UtcTime
from tests.databases import having

VALUES = Table(
    "type_values",
    MetaData(),
    Column("n", Integer, primary_key=True),
    Column("id", Id),
    Column("at", UtcTime),
    Column("data", JsonText),
    Column("searchable", Jsonb),
)
# Naive, as the strategy asks for.
moments = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.timezones())  # noqa: DTZ001
MANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
async def table(database: Database) -> AsyncIterator[Database]:
    """Give a database with an empty table of all types."""
    async with having(database, VALUES.metadata) as made:
        yield made
