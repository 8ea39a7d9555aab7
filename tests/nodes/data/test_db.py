"""The db node on SQLite, PostgreSQL and MySQL."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.kit.ids import new_id
from agentflow.nodes.data import db_statements
from agentflow.nodes.data.db import DbConfig, DbNode
from agentflow.spec.effects import EffectClass
from tests.nodes.context import FakeContext
from tests.support.user_databases import TENANT, User


async def run(user: User, access: str = "read_write", **config: Any) -> Any:
    context = FakeContext(tenant_id=TENANT, source=user.source(access), open_database=user.pool.open, key=config.pop("key", new_id()))
    if "operation" in config:
        config.setdefault("table", user.table)
    return await DbNode().run(context, DbConfig.model_validate(config))


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, [1, 2]),
        ({"id": 1}, [1]),
        ({"id": [1, 2, 9]}, [1, 2]),
        ({"id": []}, []),
        ({"name": None}, []),
        ({"name": {"!=": None}}, [1, 2]),
        ({"name": {"is null": True}}, []),
        ({"name": {"is null": False}}, [1, 2]),
        ({"id": {">": 1}}, [2]),
        ({"id": {">=": 1, "<": 2}}, [1]),
        ({"id": {"!=": 1}}, [2]),
        ({"id": {"not in": [1]}}, [2]),
        ({"id": {"not in": []}}, [1, 2]),
        ({"name": {"LIKE": "a%"}}, [1]),
        ({"name": "ann' OR '1'='1"}, []),
    ],
)
async def test_select_finds_the_rows(user, where, ids: list[int]) -> None:
    """Every operator, and values that look like SQL."""
    output = await run(user, "read_only", operation="select", columns=["id"], where=where, order_by=["id"])
    assert ([row["id"] for row in output.rows], output.rowcount) == (ids, len(ids))


async def test_select_sorts_and_limits(user) -> None:
    """A minus sorts downwards."""
    output = await run(user, operation="select", order_by=["-id"], limit=1)
    assert output.rows == [{"id": 2, "name": "bob"}]


async def test_rows_are_inserted_updated_and_deleted(user) -> None:
    """The three ways to change data, with counts."""
    assert (await run(user, operation="insert", values=[{"id": 3, "name": "c'"}, {"id": 4, "name": None}])).rowcount == 2
    assert (await run(user, operation="update", values={"name": "x"}, where={"id": {">": 2}})).rowcount == 2
    assert (await run(user, operation="delete", where={"id": 4})).rowcount == 1
    assert await user.names() == ["ann", "bob", "x"]


async def test_changed_rows_can_be_returned(user) -> None:
    """RETURNING works for inserts everywhere, for all columns too."""
    output = await run(user, operation="insert", values=[{"id": 3, "name": "c"}, {"id": 4, "name": "d"}], returning=["*"])
    assert output.rows == [{"id": 3, "name": "c"}, {"id": 4, "name": "d"}]


async def test_inserts_happen_all_or_none(user) -> None:
    """When one row is refused, none is kept."""
    with pytest.raises(NodeError):
        await run(user, operation="insert", values=[{"id": 3, "name": "c"}, {"id": 1, "name": "twice"}])
    assert await user.names() == ["ann", "bob"]


async def test_a_change_needs_the_access(user) -> None:
    """A read-only source refuses every change."""
    for config in ({"operation": "delete", "where": {"id": 1}}, {"sql": f"DELETE FROM {user.table}", "write": True}):
        with pytest.raises(NodeError) as raised:
            await run(user, "read_only", **config)
        assert raised.value.error_code == "DB_READ_ONLY"


async def test_raw_sql_binds_its_params(user) -> None:
    """Values go in by name."""
    output = await run(user, sql=f"SELECT name FROM {user.table} WHERE id = :id", params={"id": 2})
    assert output.rows == [{"name": "bob"}]


async def test_raw_sql_writes_only_when_it_says_so(user) -> None:
    """Without ``write`` the database refuses, though the source would allow it."""
    with pytest.raises(NodeError) as raised:
        await run(user, sql=f"DELETE FROM {user.table}")
    assert raised.value.error_code == "DB_READ_ONLY"
    assert (await run(user, sql=f"DELETE FROM {user.table}", write=True)).rowcount == 2


async def test_statements_are_one_transaction(user) -> None:
    """The output is that of the last; a failure undoes the first."""
    first = {"sql": f"UPDATE {user.table} SET name = :n WHERE id = 1", "params": {"n": "z"}}
    output = await run(user, statements=[first, {"sql": f"SELECT name FROM {user.table} WHERE id = 1"}], write=True)
    assert output.rows == [{"name": "z"}]
    with pytest.raises(NodeError):
        await run(user, statements=[{**first, "params": {"n": "y"}}, {"sql": "nonsense"}], write=True)
    assert await user.names() == ["z", "bob"]


HOSTILE = ['a"; DROP TABLE x; --', "a`b", "a]b", "a:b", "a.b c", "a'b"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_are_quoted_whatever_is_in_them(user, name: str) -> None:
    """S52: a name that is SQL is a name that does not exist."""
    for config in (
        {"operation": "select", "columns": [name]},
        {"operation": "select", "order_by": [name], "columns": ["id"], "where": {name: 1}},
        {"operation": "insert", "values": {name: 1}},
        {"operation": "select", "table": name},
    ):
        with pytest.raises(NodeError) as raised:
            await run(user, **config)
        assert raised.value.error_code == "DB_QUERY"
    assert await user.names() == ["ann", "bob"]


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers(), max_size=2)),
        max_size=3,
    )
)
def test_any_condition_is_sql_or_a_typed_refusal(where: dict[str, Any]) -> None:
    """S52: whatever a condition holds, its values are bound and never written."""
    try:
        text, params = db_statements.select("sqlite", "t", None, where, [], None)
    except NodeError as error:
        assert error.error_code == "DB_QUERY"  # noqa: PT017 - some conditions cannot be written
    else:
        assert text.count(":p") >= len(params)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"operation": "select", "sql": "SELECT 1"},
        {"sql": "SELECT 1", "statements": [{"sql": "SELECT 1"}]},
        {"operation": "select"},
        {"operation": "truncate", "table": "t"},
        {"operation": "insert", "table": "t"},
        {"operation": "insert", "table": "t", "values": []},
        {"operation": "insert", "table": "t", "values": {"a": 1}, "where": {"b": 1}},
        {"operation": "update", "table": "t", "values": [{"a": 1}], "where": {"a": 1}},
        {"operation": "update", "table": "t", "values": {"a": 1}},
        {"operation": "delete", "table": "t"},
        {"operation": "select", "table": "t", "write": True},
        {"operation": "select", "table": "t", "limit": 0},
        {"statements": []},
        {"statements": [{"params": {}}]},
        {"sql": "SELECT 1", "max_rows": 0},
        {"sql": "SELECT 1", "timeout_s": 0},
    ],
)
def test_a_config_that_cannot_run_is_refused(config) -> None:
    """One way of asking, with what belongs to it; nothing that would be passed over in silence."""
    assert DbNode().check_config(config)


def test_changing_every_row_needs_a_word() -> None:
    """``allow_all`` says that no condition is meant."""
    assert not DbNode().check_config({"operation": "delete", "table": "t", "allow_all": True})


async def test_rows_of_an_insert_must_be_alike(user) -> None:
    """Different columns are a mistake, not a NULL."""
    with pytest.raises(NodeError, match="same columns"):
        await run(user, operation="insert", values=[{"id": 3}, {"name": "x"}])


def test_sql_is_never_a_template() -> None:
    """S51: values come by params; SQL is taken as it is."""
    assert set(DbNode().raw_paths) == {("sql",), ("statements", "*", "sql")}


@pytest.mark.parametrize(
    ("config", "effect"),
    [
        ({"operation": "select", "table": "t"}, EffectClass.PURE),
        ({"sql": "SELECT 1"}, EffectClass.PURE),
        ({"sql": "SELECT 1", "write": True}, EffectClass.TRANSACTIONAL),
        ({"operation": "insert", "table": "t"}, EffectClass.TRANSACTIONAL),
        ({"operation": "{{ inputs.o }}", "table": "t"}, EffectClass.TRANSACTIONAL),
    ],
)
def test_what_recovery_may_do(config, effect) -> None:
    """Reading is done again; a change of unknown outcome is not repeated blindly."""
    assert DbNode().effect(config) is effect


async def test_a_change_is_made_once_under_its_key(user: User) -> None:
    """Asked for again, as after a crash, it gives the results of the first time."""
    first = await run(user, operation="insert", values={"id": 3, "name": "c"}, key=f"{user.table}:pay:0")
    again = await run(user, operation="insert", values={"id": 3, "name": "c"}, key=f"{user.table}:pay:0")
    assert first == again
    assert await user.names() == ["ann", "bob", "c"]


async def test_a_change_that_fails_leaves_no_note(user: User) -> None:
    """It is made when it is asked for again."""
    with pytest.raises(NodeError):
        await run(user, operation="insert", values={"id": 1, "name": "twice"}, key=f"{user.table}:add:0")
    await run(user, operation="insert", values={"id": 5, "name": "e"}, key=f"{user.table}:add:0")
    assert await user.names() == ["ann", "bob", "e"]


async def test_owners_that_change_at_the_same_time_make_one_change(user: User) -> None:
    """The note is a primary key: of two transactions one is undone and finds the note of the other."""

    longer = "CONCAT(name, '!')" if user.dialect == "mysql" else "name || '!'"
    statement = f"UPDATE {user.table} SET name = {longer} WHERE id = 1"

    async def owner() -> Any:
        while True:
            try:
                return await run(user, sql=statement, write=True, key=f"{user.table}:mark:0")
            except NodeError as error:
                if not error.retryable:
                    raise

    results = await asyncio.gather(*(owner() for _ in range(4)))
    assert {result.rowcount for result in results} == {1}
    assert (await user.names())[0] == "ann!"
