"""Looking for runs whose log lacks events: numbers are given without gaps, so a gap means that rows were lost or deleted by hand."""

from sqlalchemy import func, or_, select

from agentflow.infra.db.engine import Database
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.statements import EVENTS


async def runs_with_gaps(database: Database, newest: int) -> list[str]:
    """Return the ids of runs without all of their events, among the ``newest`` ones of all tenants."""
    recent = select(RunRow.id).order_by(RunRow.id.desc()).limit(newest).subquery()
    c = EVENTS.c
    held = func.coalesce(func.sum(c.last_seq - c.first_seq + 1), 0)
    query = (
        select(recent.c.id)
        .outerjoin(EVENTS, c.run_id == recent.c.id)
        .group_by(recent.c.id)
        .having(or_(held == 0, func.min(c.first_seq) != 1, func.max(c.last_seq) != held))
        .order_by(recent.c.id)
    )
    async with database.reading() as session:
        return list((await session.scalars(query)).all())
