"""The same tests on every kind of database."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentflow.errors import NodeError
from agentflow.kit.ids import new_id
from agentflow.nodes.context import QueryResult, ResolvedSource
from agentflow.sources.databases.pool import DatabasePool

POSTGRES = os.environ.get("AGENTFLOW_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/test")
MYSQL = os.environ.get("AGENTFLOW_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/test")
DIALECTS = ("sqlite", "postgresql", "mysql")


TENANT = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"
"""The tenant that runs the installation, whose sources these are."""


@dataclass
class User:
    """Somebody with a database and a table of their own in it."""

    pool: DatabasePool
    dialect: str
    settings: dict[str, Any]
    table: str

    def source(self, access: str = "read_write", **settings: Any) -> ResolvedSource:
        return ResolvedSource("shop", "db", {**self.settings, "access": access, **settings})

    async def run(self, *statements: str | tuple[str, dict[str, Any]], access: str = "read_write", **options: Any) -> list[QueryResult]:
        """Run statements, ``{t}`` in them being the table; reads unless ``write`` is given."""
        full = [(text, {}) if isinstance(text, str) else text for text in statements]
        write, timeout_s = options.pop("write", False), options.pop("timeout_s", 10)
        database = self.pool.open(self.source(access), TENANT)
        return list(
            await database.run(
                [(text.replace("{t}", self.table), params) for text, params in full],
                read_only=not write,
                timeout_s=timeout_s,
                max_rows=options.pop("max_rows", 100),
            )
        )

    async def refused(self, *statements: str | tuple[str, dict[str, Any]], **options: Any) -> NodeError:
        with pytest.raises(NodeError) as raised:
            await self.run(*statements, **options)
        return raised.value

    async def names(self) -> list[str]:
        return [row["name"] for row in (await self.run("SELECT name FROM {t} ORDER BY id"))[0].rows]


@pytest.fixture
async def pool(tmp_path: Path) -> AsyncIterator[DatabasePool]:
    """Give a pool that guards a SQLite control database."""
    opened = DatabasePool(control_url=f"sqlite:///{tmp_path / 'data' / 'agentflow.db'}", data_dir=tmp_path / "data", installation=TENANT)
    yield opened
    await opened.close()


@pytest.fixture(params=DIALECTS)
async def user(request: pytest.FixtureRequest, pool: DatabasePool) -> AsyncIterator[User]:
    """Give a table with two rows, on each kind of database in turn."""
    settings = {"sqlite": {"path": "shop.db"}, "postgresql": {"url": POSTGRES}, "mysql": {"url": MYSQL}}[request.param]
    one = User(pool, request.param, settings, f"t_{new_id().replace('-', '')}")
    await one.run("CREATE TABLE {t} (id INTEGER PRIMARY KEY, name VARCHAR(100))", write=True)
    await one.run("INSERT INTO {t} VALUES (1, 'ann')", "INSERT INTO {t} VALUES (2, 'bob')", write=True)
    yield one
    await one.run("DROP TABLE IF EXISTS {t}", write=True)
