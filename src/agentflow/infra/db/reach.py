"""The first connection to the database: whether it is there, and in one line what is missing if not."""

from sqlalchemy.exc import DBAPIError

from agentflow.errors import AgentFlowError, Kind
from agentflow.infra.db.engine import Database

_HINT = (
    "Is it running, and is AGENTFLOW_DATABASE_URL right: postgresql://user:password@host:5432/name? Without that variable everything is "
    "kept in a SQLite file."
)


class DatabaseUnreachable(AgentFlowError):
    """No connection to the control database could be made."""

    kind, code, title = Kind.UNAVAILABLE, "DATABASE_UNREACHABLE", "Database cannot be reached"


async def reach(database: Database) -> None:
    """Make one connection.

    Raises:
        DatabaseUnreachable: that fails; the message says where and why, and holds no password.
    """
    try:
        async with database.engine.connect():
            pass
    except (DBAPIError, OSError, TimeoutError) as error:
        url = database.url
        place = str(url.database) if database.is_sqlite else f"{url.host or 'this machine'}:{url.port or 5432}, database {url.database}"
        raise DatabaseUnreachable(f"The database at {place} cannot be used: {_cause(error)}.", hint=_HINT) from error


def _cause(error: BaseException) -> str:
    """Return what the driver said, without what SQLAlchemy says around it."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(said, FileNotFoundError):
        return "a file that its address names (sslrootcert, sslcert, sslkey) is not there"
    words = str(said.__cause__ or said) or type(said).__name__
    return words.rstrip(".")
