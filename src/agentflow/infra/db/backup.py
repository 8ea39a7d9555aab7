"""Copies of a SQLite database: taken while it is in use, examined, and put back."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from agentflow.errors import AgentFlowError, Kind

QUICK_BYTES = 64_000_000
"""Largest database that is examined at every start: about a fifth of a second. `agentflow doctor` examines any size."""

DAMAGED_HINT = (
    "Stop the server and restore a backup: move the damaged file and its -wal and -shm files away, then `agentflow restore FILE`. "
    "Without one, `sqlite3 agentflow.db .recover` saves what can be read."
)


class DatabaseDamaged(AgentFlowError):
    """The SQLite file is not whole: it was cut off or changed by something else than SQLite."""

    kind, code, title = Kind.UNAVAILABLE, "DATABASE_DAMAGED", "Database damaged"


def faults(path: Path) -> list[str]:
    """Return what SQLite finds wrong with the structure of a database file; empty when nothing.

    SQLite keeps no checksums: a bit that flipped inside a stored value leaves the structure whole and is not found.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if found == ["ok"] else found


def examine(path: Path, *, largest: int | None = QUICK_BYTES) -> None:
    """Make sure that a database file is whole; one that does not exist, or is larger than ``largest``, is passed over.

    Raises:
        DatabaseDamaged: it is not; the message says what SQLite found.
    """
    if not path.exists() or (largest is not None and path.stat().st_size > largest):
        return
    wrong = faults(path)
    if wrong:
        raise DatabaseDamaged(f"{path} is damaged: {'; '.join(wrong)}.", hint=DAMAGED_HINT)


def snapshot(source: Path, target: Path) -> None:
    """Write a consistent copy of a database that may be in use; ``target`` is whole and on disk, or not there at all.

    Raises:
        DatabaseDamaged: the source is not whole.
        OSError: the target cannot be written.
    """
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(source, timeout=10)) as connection:
            # One read transaction: writers go on meanwhile, and the copy is what was committed when it began.
            connection.execute("VACUUM INTO ?", (str(temporary),))
        examine(temporary, largest=None)
        keep(temporary, target)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(f"{source} cannot be copied: {error}.", hint=DAMAGED_HINT) from error
    finally:
        temporary.unlink(missing_ok=True)


def keep(temporary: Path, target: Path) -> None:
    """Put a finished file in its place, durably."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
