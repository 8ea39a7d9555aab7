"""What `agentflow doctor` looks at beyond this process: the other workers, the broker's queue, and what runs have written."""

import asyncio

from agentflow import __version__
from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.diagnosis import MAX_SKEW_S, Finding, Verdict
from agentflow.infra.db.engine import Database

MANY_HINTS = 1_000
"""Hints in the broker from which on workers do not take them: each is taken in less than a millisecond."""
EXAMINED_RUNS = 5_000
_NAMED = 3


async def workers(settings: Settings, db: Database) -> list[Finding]:
    """Look whether workers live, of which version they are, and whether their clocks are right."""
    from agentflow.runtime.queue.workers import living_workers

    alive = await living_workers(db, settings.data_dir / "workers")
    if not alive:
        return [Finding("workers", Verdict.WARNING, "none is alive: runs that are accepted wait", "Start `agentflow serve`.")]
    findings = [Finding("workers", Verdict.OK, f"{len(alive)} alive")]
    versions = sorted({worker.version for worker in alive if worker.version not in {None, __version__}}, key=str)
    if versions:
        hint = "Finish the upgrade: restart them with this version, or use theirs here."
        message = f"some are of version {', '.join(map(str, versions))}, this is {__version__}"
        findings.append(Finding("worker versions", Verdict.WARNING, message, hint))
    skewed = max((worker.skew_s for worker in alive if worker.skew_s is not None), key=abs, default=0.0)
    if abs(skewed) > MAX_SKEW_S:
        hint = "Let every machine set its clock by NTP: leases end early or late by as much."
        findings.append(Finding("worker clocks", Verdict.FAILED, f"one is {skewed:+.1f} s from the database's", hint))
    return findings


async def events(db: Database) -> Finding:
    """Look whether the newest runs have all of their events."""
    from agentflow.runtime.journal.gaps import runs_with_gaps

    found = await runs_with_gaps(db, EXAMINED_RUNS)
    if not found:
        return Finding("events", Verdict.OK, f"without gaps in the newest {EXAMINED_RUNS} runs")
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    hint = "Rows were lost or deleted by hand: restore a backup, or delete the runs with `agentflow runs delete`."
    return Finding("events", Verdict.FAILED, f"missing in the runs {', '.join(found[:_NAMED])}{more}", hint)


async def hints(settings: Settings, db: Database) -> Finding | None:
    """Look whether hints pile up in the broker; None where there is no broker, or it does not answer, which another check tells."""
    from agentflow.errors import AgentFlowError
    from agentflow.infra.celery.backlog import waiting_hints

    if settings.broker_url is None:
        return None
    try:
        waiting = await asyncio.to_thread(waiting_hints, settings.broker_url, db.url.database or "")
    except (OSError, AgentFlowError):
        return None
    if waiting < MANY_HINTS:
        return Finding("hints", Verdict.OK, f"{waiting} wait in the broker")
    hint = "Start workers with the same AGENTFLOW_BROKER_URL, or restart those that live; purging the queue loses no run."
    return Finding("hints", Verdict.WARNING, f"{waiting} wait in the broker, and no worker takes them", hint)
