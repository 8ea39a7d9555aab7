"""The control database over TLS, with the parameters that every PostgreSQL client takes."""

from pathlib import Path

import pytest
import trustme
from sqlalchemy import text

from agentflow.infra.db.engine import Database
from scripts.server_process import ServerProcess
from tests.support.postgres_server import PostgresProcess, own_postgres

__all__ = ["own_postgres"]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def guarded(own_postgres: PostgresProcess, authority: trustme.CA) -> PostgresProcess:
    """Give a server that speaks TLS, and lets in who shows a certificate."""
    own_postgres.crash()
    mine = authority.issue_cert("127.0.0.1")
    own_postgres.demand_certificates(mine.cert_chain_pems[0].bytes(), mine.private_key_pem.bytes(), authority.cert_pem.bytes())
    own_postgres.start()
    return own_postgres


def address(server: PostgresProcess, authority: trustme.CA, folder: Path, *, user: str = "postgres") -> str:
    """Write the files of somebody whom the authority knows, and return the address that names them."""
    shown = authority.issue_cert("somebody@example.com", common_name=user)
    shown.cert_chain_pems[0].write_to_path(str(folder / "client.crt"))
    shown.private_key_pem.write_to_path(str(folder / "client.key"))
    authority.cert_pem.write_to_path(str(folder / "root.crt"))
    return (
        f"{server.url}?sslmode=verify-full&sslrootcert={folder / 'root.crt'}&sslcert={folder / 'client.crt'}&sslkey={folder / 'client.key'}"
    )


async def encrypted(database: Database) -> bool:
    """Tell whether a new connection is encrypted."""
    async with database.engine.connect() as connection:
        return bool((await connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))).scalar_one())


async def test_both_sides_show_certificates(guarded: PostgresProcess, authority: trustme.CA, tmp_path: Path) -> None:
    """The server by its name, the client by a certificate instead of a password."""
    database = Database(address(guarded, authority, tmp_path))
    try:
        assert await encrypted(database)
    finally:
        await database.close()


async def test_a_server_of_another_authority_is_refused(guarded: PostgresProcess, authority: trustme.CA, tmp_path: Path) -> None:
    """No statement, and no password, goes to a server that cannot prove who it is."""
    url = address(guarded, authority, tmp_path)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "root.crt"))
    database = Database(url)
    try:
        with pytest.raises(OSError, match="certificate verify failed"):
            await encrypted(database)
    finally:
        await database.close()


async def test_a_certificate_that_is_replaced_holds_from_the_next_connection_on(
    guarded: PostgresProcess, authority: trustme.CA, tmp_path: Path
) -> None:
    """Short-lived credentials need no restart: the files are read for every connection."""
    url = address(guarded, authority, tmp_path, user="nobody")
    database = Database(url)
    try:
        with pytest.raises(Exception, match="certificate authentication failed"):
            await encrypted(database)
        assert address(guarded, authority, tmp_path) == url
        assert await encrypted(database)
    finally:
        await database.close()


def test_a_server_works_on_it(guarded: PostgresProcess, authority: trustme.CA, tmp_path: Path) -> None:
    """Migrations, leases, and the news between processes all take the address as it is."""
    server = ServerProcess(tmp_path / "data", address(guarded, authority, tmp_path))
    try:
        server.start()
        assert server.stop() == 0
        assert "interrupted" not in server.log.read_text()
    finally:
        server.kill()
