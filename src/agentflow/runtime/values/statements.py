"""The bulk statement that registers a large value as an artifact of its run."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from agentflow.artifacts.models import ArtifactRow
from agentflow.infra.db.group_commit import Statement

ARTIFACTS: Table = ArtifactRow.__table__  # type: ignore[assignment]  # declarative tables are Tables


def put_artifact(*, is_sqlite: bool) -> Statement:
    """Return the statement in the dialect of a database; its rank puts it behind the run it belongs to."""
    insert: Any = sqlite.insert if is_sqlite else postgresql.insert
    return Statement("put_artifact", 9, insert(ARTIFACTS).on_conflict_do_nothing(), unique_by=("id",))
