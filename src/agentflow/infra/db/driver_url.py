"""What a database address asks of the PostgreSQL driver itself: TLS, certificates, settings of the server."""

from typing import Any

from sqlalchemy.engine.url import URL

_OURS = frozenset({"host", "port"})
"""What SQLAlchemy reads behind the ``?``: several hosts, or the folder of a socket."""


def for_driver(url: URL) -> tuple[URL, dict[str, Any]]:
    """Split a PostgreSQL address into what SQLAlchemy reads and what the driver takes as it stands.

    The driver knows the parameters of libpq (``sslmode``, ``sslrootcert``, ``sslcert``, ``sslkey``, …; PostgreSQL's manual, section
    "Connection Strings"), and reads the files that they name for every connection anew: a certificate that is replaced holds from the next
    one on. SQLAlchemy would hand them over as arguments, which the driver does not have.

    Returns:
        the address, and arguments of the driver.
    """
    theirs = {name: value for name, value in url.query.items() if name not in _OURS}
    if not theirs:
        return url, {}
    return url.difference_update_query(theirs), {"dsn": URL.create("postgresql", query=theirs).render_as_string()}
