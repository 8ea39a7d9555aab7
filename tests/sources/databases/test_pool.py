"""Which databases a source may lead to, and what its settings must be."""

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from agentflow.errors import NodeError
from agentflow.nodes.context import ResolvedSource
from agentflow.sources.databases.pool import DatabasePool
from agentflow.sources.databases.postgres import Identity
from tests.support.user_databases import POSTGRES, TENANT

OTHER = "019a9f3e-0000-7000-8000-000000000002"


def source(**settings) -> ResolvedSource:
    return ResolvedSource("shop", "db", settings)


async def refused(pool: DatabasePool, **settings) -> NodeError:
    with pytest.raises(NodeError) as raised:
        await pool.open(source(**settings), TENANT).run([("SELECT 1", {})], read_only=True, timeout_s=10, max_rows=1)
    return raised.value


@pytest.fixture
def control(tmp_path: Path) -> Path:
    """Give the file of the control database."""
    path = tmp_path / "data" / "agentflow.db"
    path.parent.mkdir()
    sqlite3.connect(path).close()
    path.touch()
    return path


@pytest.mark.parametrize("way", ["plain", "dotted", "symbolic link", "hard link", "linked folder", "url"])
async def test_the_control_file_is_refused_by_every_name(pool, control: Path, tmp_path: Path, way: str) -> None:
    """Links of both kinds and roundabout paths do not hide AgentFlow's own database."""
    (tmp_path / "other").mkdir()
    paths = {
        "plain": control,
        "url": control,
        "dotted": tmp_path / "other" / ".." / "data" / "agentflow.db",
        "symbolic link": tmp_path / "other" / "link.db",
        "hard link": tmp_path / "other" / "hard.db",
        "linked folder": tmp_path / "folder" / "agentflow.db",
    }
    paths["symbolic link"].symlink_to(control)
    paths["hard link"].hardlink_to(control)
    (tmp_path / "folder").symlink_to(control.parent)
    settings = {"url": f"sqlite:///{paths[way]}"} if way == "url" else {"path": str(paths[way])}
    assert (await refused(pool, **settings)).error_code == "DB_FORBIDDEN"


async def test_a_link_made_after_opening_is_found_too(pool, control: Path, tmp_path: Path) -> None:
    """The file is looked at for each call, not once."""
    path = tmp_path / "shop.db"
    database = pool.open(source(path=str(path), access="read_write"), TENANT)
    await database.run([("CREATE TABLE a (b INTEGER)", {})], read_only=False, timeout_s=5, max_rows=1)
    path.unlink()
    path.hardlink_to(control)
    with pytest.raises(NodeError, match="own database"):
        await database.run([("SELECT 1", {})], read_only=True, timeout_s=5, max_rows=1)


@pytest.mark.parametrize("path", ["../agentflow.db", "../../etc/x.db", "a/../../agentflow.db"])
async def test_a_relative_path_stays_in_its_folder(pool, path: str) -> None:
    """S56: a relative path cannot climb out of the folder for files of workflows."""
    assert (await refused(pool, path=path)).error_code == "DB_CONFIG"


async def test_the_data_folder_is_closed_but_for_the_files_of_workflows(pool, tmp_path: Path) -> None:
    """S56: other files of the data folder are AgentFlow's own."""
    assert (await refused(pool, path=str(tmp_path / "data" / "owner.key"))).error_code == "DB_FORBIDDEN"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_control_database_on_postgresql_is_refused_by_every_name(tmp_path: Path, host: str) -> None:
    """The servers are asked who they are: another host name or user does not hide the database."""
    pool = DatabasePool(control_url=POSTGRES.replace("postgresql://", "postgresql+asyncpg://"), data_dir=tmp_path, installation=TENANT)
    parts = urlsplit(POSTGRES)
    error = await refused(pool, url=parts._replace(netloc=parts.netloc.replace("127.0.0.1", host)).geturl())
    assert error.error_code == "DB_FORBIDDEN"
    await pool.close()


async def test_another_database_of_the_same_server_is_allowed(tmp_path: Path) -> None:
    """Only the control database itself is closed, not its neighbours."""
    pool = DatabasePool(control_url=POSTGRES, data_dir=tmp_path, installation=TENANT)
    neighbour = urlsplit(POSTGRES)._replace(path="/postgres").geturl()
    database = pool.open(source(url=neighbour), TENANT)
    results = await database.run([("SELECT current_database() AS name", {})], read_only=True, timeout_s=10, max_rows=1)
    assert results[0].rows == [{"name": "postgres"}]
    await pool.close()


async def test_a_control_database_that_does_not_answer_closes_the_door(tmp_path: Path) -> None:
    """When it cannot be told whether a database is ours, it is not entered."""
    pool = DatabasePool(control_url="postgresql://nobody@127.0.0.1:1/none", data_dir=tmp_path, installation=TENANT)
    error = await refused(pool, url=POSTGRES)
    assert (error.error_code, error.retryable) == ("DB_CONNECT", True)
    await pool.close()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"url": "oracle://a@b/c"},
        {"url": "no url"},
        {"url": "postgresql://host/db"},
        {"url": "postgresql://user@host"},
        {"url": "postgresql://user@host/db?options=-c%20x"},
        {"url": POSTGRES, "path": "a.db"},
        {"path": ":memory:"},
        {"path": "a\0b"},
        {"path": "a.db", "host": "x"},
        {"driver": "postgresql", "host": "x"},
        {"driver": "oracle", "host": "x", "database": "d", "user": "u"},
        {"path": "a.db", "access": "all"},
        {"path": "a.db", "colour": "red"},
        {"path": "a.db", "pool_size": 0},
    ],
)
def test_settings_that_describe_no_database_are_refused(pool, settings) -> None:
    """Every mistake is a typed error that names the source."""
    with pytest.raises(NodeError, match="shop") as raised:
        pool.open(source(**settings), TENANT)
    assert raised.value.error_code == "DB_CONFIG"


def test_a_refusal_of_settings_shows_no_secret(pool) -> None:
    """A password in the wrong place does not end up in the error."""
    with pytest.raises(NodeError) as raised:
        pool.open(source(driver="postgresql", host="h", database="d", user="u", password=["secret-word"]), TENANT)
    assert "secret-word" not in str(raised.value)


def test_the_same_settings_share_one_pool(pool) -> None:
    """Nodes of all runs use the same connections."""
    assert pool.open(source(url=POSTGRES), TENANT) is pool.open(source(url=POSTGRES), TENANT)
    assert pool.open(source(url=POSTGRES), TENANT) is not pool.open(source(url=POSTGRES, access="read_write"), TENANT)


async def test_s40_the_same_source_of_two_organisations_is_two(pool, tmp_path: Path) -> None:
    """They share no connection and no file, whatever they call it; a file of another one cannot be named."""
    assert pool.open(source(url=POSTGRES), TENANT) is not pool.open(source(url=POSTGRES), OTHER)
    made = [pool.open(source(path="shop.db", access="read_write"), tenant) for tenant in (TENANT, OTHER)]
    await made[0].run([("CREATE TABLE a (b INTEGER)", {})], read_only=False, timeout_s=5, max_rows=1)
    with pytest.raises(NodeError, match="cannot be opened"):
        await made[1].run([("SELECT * FROM a", {})], read_only=True, timeout_s=5, max_rows=1)
    theirs = tmp_path / "data" / "files" / "shop.db"
    assert theirs.exists()
    for path in (str(theirs), "../files/shop.db", "../../files/shop.db", str(tmp_path / "elsewhere.db"), "/etc/passwd"):
        with pytest.raises(NodeError) as raised:
            pool.open(source(path=path), OTHER)
        assert raised.value.error_code in {"DB_CONFIG", "DB_FORBIDDEN"}


async def test_pools_that_nobody_used_for_long_are_closed(pool) -> None:
    """Many different sources do not keep connections for ever."""
    first = pool.open(source(url=POSTGRES), TENANT)
    await first.run([("SELECT 1", {})], read_only=True, timeout_s=10, max_rows=1)
    for size in range(70):
        pool.open(source(path=f"{size}.db"), TENANT)
    assert pool.open(source(url=POSTGRES), TENANT) is not first


async def test_the_pieces_of_an_address_work_like_a_url(pool) -> None:
    """``driver``, ``host`` and the rest say the same as ``url``."""
    parts = urlsplit(POSTGRES)
    settings = {"driver": "postgres", "host": parts.hostname, "port": parts.port, "database": "test", "user": parts.username}
    database = pool.open(source(**settings, password=parts.password), TENANT)
    assert (await database.run([("SELECT 1 AS one", {})], read_only=True, timeout_s=10, max_rows=1))[0].rows == [{"one": 1}]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("7", "t1", "5"), ("7", "t2", "5"), True),
        ((None, "t1", "5"), ("7", "t1", "5"), True),
        ((None, "t1", "5"), (None, "t2", "5"), False),
        (("7", "t1", "5"), ("7", "t1", "6"), False),
        (("7", "t1", "5"), ("8", "t2", "5"), False),
    ],
)
def test_copies_of_a_server_count_as_the_same(one, other, same: bool) -> None:
    """A database is the same when server and database are; a copy has the identifier, an ordinary role sees only the start."""
    assert Identity(*one).is_same(Identity(*other)) is same


async def test_a_role_without_rights_is_still_recognised(tmp_path: Path) -> None:
    """The identity of a server can be read by any role."""
    admin = await asyncpg.connect(POSTGRES)
    await admin.execute("DROP ROLE IF EXISTS agentflow_test_reader")
    await admin.execute("CREATE ROLE agentflow_test_reader LOGIN PASSWORD 'reader'")
    try:
        parts = urlsplit(POSTGRES)
        pool = DatabasePool(control_url=POSTGRES, data_dir=tmp_path, installation=TENANT)
        url = parts._replace(netloc=f"agentflow_test_reader:reader@{parts.hostname}:{parts.port}").geturl()
        assert (await refused(pool, url=url)).error_code == "DB_FORBIDDEN"
        await pool.close()
    finally:
        await admin.execute("DROP ROLE agentflow_test_reader")
        await admin.close()
