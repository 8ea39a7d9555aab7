"""The bulk statements of checkpoints, for the group committer; all can be repeated."""

from typing import Any

from sqlalchemy import Table, bindparam
from sqlalchemy.dialects import postgresql, sqlite

from agentflow.infra.db.group_commit import Statement
from agentflow.runtime.checkpoints.models import CheckpointRow, CheckpointWriteRow

CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
WRITES: Table = CheckpointWriteRow.__table__  # type: ignore[assignment]


class CheckpointStatements:
    """The statements in the dialect of one database; their ranks put them behind those of runs."""

    def __init__(self, *, is_sqlite: bool) -> None:
        insert: Any = sqlite.insert if is_sqlite else postgresql.insert
        self.put = Statement("put_checkpoint", 6, _upsert(insert(CHECKPOINTS), CHECKPOINTS))
        # A regular write counts once, whatever a repeated task says; a special one (interrupt, resume, error) is overwritten.
        self.add_write = Statement("add_checkpoint_write", 7, insert(WRITES).on_conflict_do_nothing())
        self.put_write = Statement("put_checkpoint_write", 8, _upsert(insert(WRITES), WRITES))
        keys = [CHECKPOINTS.c[column.name] == bindparam(column.name) for column in CHECKPOINTS.primary_key]
        self.drop = Statement("drop_checkpoint", 9, CHECKPOINTS.delete().where(*keys))


def _upsert(insert: Any, table: Table) -> Any:
    changed = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    return insert.on_conflict_do_update(index_elements=[column.name for column in table.primary_key], set_=changed)
