"""A commit that SQLite could not force to disk: nobody can tell any more what the file holds, so the process ends.

After a failed ``fsync`` the kernel may have dropped the pages and marked them as clean: to try again would succeed and prove nothing.
A new process reads the file anew, and finds either all of the commit in its log, by checksums, or nothing of it.
"""

import os
import sqlite3
import sys

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

log = structlog.get_logger(__name__)

EXIT_STATUS = os.EX_IOERR
"""With what the process ends, so that whoever supervises it starts it again."""

_LOST = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})


def end_process_on_lost_write(engine: Engine) -> None:
    """End this process as soon as a connection of ``engine`` reports that ``fsync`` failed."""
    event.listen(engine, "handle_error", _look)


def _look(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlite_errorcode", None) in _LOST:
        log.critical("the disk refused to keep a commit; the process ends, and the next one takes up what is really there")
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: code that runs on the way out, or in other threads, could tell somebody of a commit that is not there.
        os._exit(EXIT_STATUS)
