"""Exactly once: a change and the note that it was made commit together, in a small table of the user's database.

Before the statements the note is looked for: if it is there, they were committed before, and their results are read from it. After them it
is written. Two owners of one run that both come so far collide on the primary key, and the later transaction is undone.
"""

import hashlib
from collections.abc import Sequence

from agentflow.kit import json
from agentflow.sources.databases.base import QueryResult, Statement

TABLE = "agentflow_effects"
MAX_KEY = 400
CREATE = (
    f"CREATE TABLE IF NOT EXISTS {TABLE} (effect VARCHAR({MAX_KEY}) NOT NULL PRIMARY KEY, result {{text}} NOT NULL, "
    "made_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)"
)
PROBE = f"SELECT effect FROM {TABLE} WHERE effect = 'none'"  # noqa: S608 - our own name

_TEXT = {"sqlite": "TEXT", "postgresql": "TEXT", "mysql": "LONGTEXT"}


def create(dialect: str) -> str:
    """Return the statement that makes the table unless it is there."""
    return CREATE.format(text=_TEXT[dialect])


def find(key: str) -> Statement:
    """Return the query for the note of an effect."""
    return f"SELECT result FROM {TABLE} WHERE effect = :effect", {"effect": short(key)}  # noqa: S608 - our own name


def note(key: str, results: Sequence[QueryResult]) -> Statement:
    """Return the statement that notes an effect with its results."""
    stored = json.dumps([{"rows": list(result.rows), "rowcount": result.rowcount} for result in results])
    return f"INSERT INTO {TABLE} (effect, result) VALUES (:effect, :result)", {"effect": short(key), "result": stored}  # noqa: S608 - likewise


def noted(found: QueryResult) -> list[QueryResult] | None:
    """Return the results of an effect that was made before, or None."""
    if not found.rows:
        return None
    return [QueryResult(item["rows"], item["rowcount"]) for item in json.loads(found.rows[0]["result"])]


def short(key: str) -> str:
    """Return the key as the table holds it."""
    return key if len(key) <= MAX_KEY else hashlib.sha256(key.encode()).hexdigest()
