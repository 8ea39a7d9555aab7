"""What runs leave behind: checkpoints, cached outputs, keys, specifications, expired artifacts, and blobs that nothing refers to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, literal, select, tuple_

from agentflow.infra.db.engine import Database
from agentflow.infra.idempotency.models import IdempotencyRow
from agentflow.infra.objects.base import ObjectInfo
from agentflow.infra.objects.objects import Objects
from agentflow.kit.ids import first_id
from agentflow.runtime.checkpoints.statements import CHECKPOINTS
from agentflow.runtime.records.statements import NODE_CACHE, RUN_SPECS, RUNS, SPEC_REFRESH_S
from agentflow.runtime.retention.deletion import drop_checkpoints
from agentflow.runtime.retention.selection import Doomed
from agentflow.runtime.states import TERMINAL
from agentflow.runtime.values.statements import ARTIFACTS

_CHUNK = 1_000
"""Rows deleted in one transaction."""
_THREADS = 200
"""Runs whose checkpoints are looked at in one transaction."""
_UNUSED_FOR = timedelta(days=1)
"""How long a specification or blob is spared that nothing seems to refer to: what refers to it may be under way."""
_SKEW = timedelta(hours=1)
_KEYS: Table = IdempotencyRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
_TERMINAL = sorted(status.value for status in TERMINAL)


async def delete_checkpoints(database: Database, ended_before: datetime) -> int:
    """Delete the engine's checkpoints of runs that ended before a time: nobody resumes them any more."""
    c, total = CHECKPOINTS.c, 0
    after: list[ColumnElement[Any]] = []
    while True:
        query = select(c.tenant_id, c.thread_id).distinct().order_by(c.tenant_id, c.thread_id).limit(_THREADS)
        if after:
            query = query.where(tuple_(c.tenant_id, c.thread_id) > tuple_(*after))
        async with database.reading() as session:
            threads = (await session.execute(query)).all()
            ids = [thread for _, thread in threads]
            ended = select(RUNS.c.tenant_id, RUNS.c.id).where(
                RUNS.c.id.in_(ids), RUNS.c.status.in_(_TERMINAL), RUNS.c.ended_at < ended_before
            )
            runs = [Doomed(*row) for row in (await session.execute(ended)).all()]
        if runs:
            total += await database.bulk(lambda connection, runs=runs: drop_checkpoints(connection, runs))  # type: ignore[misc]
        if len(threads) < _THREADS:
            return total
        after = [literal(value, column.type) for column, value in zip((c.tenant_id, c.thread_id), threads[-1], strict=True)]


async def delete_cached(database: Database, now: datetime) -> int:
    """Delete cached outputs of nodes whose time is over."""
    return await _delete(database, NODE_CACHE, NODE_CACHE.c.expires_at <= now.timestamp())


async def delete_keys(database: Database, now: datetime) -> int:
    """Delete the answers to requests with an ``Idempotency-Key`` whose time is over."""
    return await _delete(database, _KEYS, _KEYS.c.expires_at <= now)


async def delete_specs(database: Database, now: datetime, max_age_days: float) -> int:
    """Delete specifications that no run is pinned to.

    A process that starts runs of a specification says so again every ``SPEC_REFRESH_S``, so runs of one that was last used some time ago
    are not younger than that, and only few runs must be looked at. Where runs are kept for ever, so are their specifications.
    """
    if not max_age_days:
        return 0
    before = now - max(timedelta(days=max_age_days), _UNUSED_FOR)
    c, removed = RUN_SPECS.c, 0
    async with database.reading() as session:
        query = select(c.tenant_id, c.spec_hash, c.last_used_at).where(c.last_used_at < before).order_by(c.last_used_at).limit(_CHUNK)
        old = (await session.execute(query)).all()
    for tenant_id, digest, used_at in old:
        until = first_id(used_at + timedelta(seconds=SPEC_REFRESH_S) + _SKEW)
        user = exists().where(RUNS.c.tenant_id == tenant_id, RUNS.c.id <= until, RUNS.c.spec_hash == digest)
        unused = and_(c.tenant_id == tenant_id, c.spec_hash == digest, c.last_used_at < before, ~user)
        removed += await database.bulk(lambda connection, unused=unused: connection.execute(delete(RUN_SPECS).where(unused)).rowcount)  # type: ignore[misc]
    return removed


async def delete_expired_artifacts(database: Database, objects: Objects, now: datetime) -> int:
    """Delete artifacts that were to be kept until now, rows first."""
    c, total = ARTIFACTS.c, 0
    while True:

        def work(connection: Connection) -> Sequence[str]:
            rows = connection.execute(select(c.id, c.key).where(c.run_id.is_(None), c.expires_at <= now).limit(_CHUNK)).all()
            connection.execute(delete(ARTIFACTS).where(c.id.in_([id_ for id_, _ in rows])))
            return [key for _, key in rows]

        keys = await database.bulk(work)
        await objects.delete(keys)
        total += len(keys)
        if len(keys) < _CHUNK:
            return total


async def delete_orphans(database: Database, objects: Objects, now: datetime) -> int:
    """Delete blobs that nothing refers to: their writer or their deleter died in between."""
    total = 0
    async for page in objects.pages():
        old = [item for item in page if item.modified < now - _UNUSED_FOR]
        orphans = await _unreferred(database, old)
        await objects.delete(orphans)
        total += len(orphans)
    return total


async def _unreferred(database: Database, blobs: Sequence[ObjectInfo]) -> list[str]:
    owners = {item.key: _owner(item.key) for item in blobs}
    found: set[tuple[str, str]] = set()
    for kind, column in (("runs", RUNS.c.id), ("files", ARTIFACTS.c.id)):
        ids = {owner[1] for owner in owners.values() if owner is not None and owner[0] == kind}
        if ids:
            async with database.reading() as session:
                found.update((kind, id_) for id_ in (await session.scalars(select(column).where(column.in_(ids)))).all())
    cached = {key.split("/")[2] for key, owner in owners.items() if owner is not None and owner[0] == "cache"}
    if cached:
        query = select(NODE_CACHE.c.output_ref).where(NODE_CACHE.c.key.in_(cached), NODE_CACHE.c.output_ref.is_not(None))
        async with database.reading() as session:
            # Not only the place: what was cached there before lies beside what is now.
            found.update(("cache", reference["key"]) for reference in (await session.scalars(query)).all())
    return [key for key, owner in owners.items() if owner is not None and owner not in found]


def _owner(key: str) -> tuple[str, str] | None:
    """Return whether a blob belongs to a run, is a file or is cached, and the id; None for what is not of our making."""
    parts = key.split("/")
    if len(parts) == 4 and parts[1] == "runs":  # noqa: PLR2004 - tenant, "runs", run, content
        return "runs", parts[2]
    if len(parts) == 3 and parts[1] == "files":  # noqa: PLR2004 - tenant, "files", artifact
        return "files", parts[2]
    if len(parts) == 4 and parts[1] == "cache":  # noqa: PLR2004 - tenant, "cache", what it is cached for, content
        return "cache", key
    return None


async def _delete(database: Database, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete the rows that match, some at a time."""
    keys = list(table.primary_key)
    some = select(*keys).where(condition).limit(_CHUNK)
    total = 0
    while True:
        count = await database.bulk(lambda connection: connection.execute(delete(table).where(tuple_(*keys).in_(some))).rowcount)
        total += count
        if count < _CHUNK:
            return total
