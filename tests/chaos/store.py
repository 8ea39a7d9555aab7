"""What lies on disk: images of it at the moment of a death, and reading it without the program's help."""

import json
import shutil
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DATABASE = "agentflow.db"
TERMINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out"})
FINAL = frozenset({"completed", "skipped", "failed"})


@dataclass(frozen=True)
class Image:
    """The database file and its log, byte by byte, as a process leaves them that dies at this moment."""

    files: Mapping[str, bytes]

    def lay_down(self, folder: Path) -> None:
        """Write the files into an empty folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


NOTHING = Image({})
"""The image of a moment at which nobody will die."""


class Camera:
    """Takes images of one folder; the database file itself changes seldom, so its copies are shared."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int], bytes]] = {}

    def take(self) -> Image:
        """Return the image of this moment."""
        return Image({name: self._content(name) for name in (DATABASE, f"{DATABASE}-wal") if (self._folder / name).exists()})

    def _content(self, name: str) -> bytes:
        path = self._folder / name
        facts = path.stat()
        mark = (facts.st_mtime_ns, facts.st_size)
        known = self._known.get(name)
        if name != DATABASE or known is None or known[0] != mark:
            known = self._known[name] = (mark, path.read_bytes())
        return known[1]


def lagging(image: Image, folder: Path, missing: int) -> Image:
    """Return an image in which the newest ``missing`` checkpoints of every run are gone, as when Redis was lost before they reached it.

    Args:
        image: what a death left.
        folder: where to work; it is emptied.
        missing: how many.
    """
    shutil.rmtree(folder, ignore_errors=True)
    image.lay_down(folder)
    connection = sqlite3.connect(folder / DATABASE)
    try:
        connection.execute(_DROP_NEWEST, {"missing": missing})
        connection.commit()
    finally:
        connection.close()
    return Camera(folder).take()


_DROP_NEWEST = """
DELETE FROM checkpoints WHERE (thread_id, checkpoint_ns, checkpoint_id) IN (
  SELECT thread_id, checkpoint_ns, checkpoint_id FROM (
    SELECT *, row_number() OVER (PARTITION BY thread_id, checkpoint_ns ORDER BY checkpoint_id DESC) AS age FROM checkpoints
  ) WHERE age <= :missing
)
"""


@dataclass(frozen=True)
class StoredInterrupt:
    """Something that a run waits for, or waited for."""

    run_id: str
    node: str
    iteration: int
    kind: str
    round: int
    status: str

    @property
    def place(self) -> tuple[str, str, int]:
        return (self.run_id, self.node, self.iteration)


@dataclass
class StoredNode:
    """One execution of a node."""

    type: str
    status: str
    output: Any
    error_code: str | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@dataclass
class StoredRun:
    """One run as it is stored."""

    id: str
    key: str | None
    parent: tuple[str, str] | None
    status: str
    outputs: Any
    error: dict[str, Any] | None
    has_owner: bool
    nodes: dict[tuple[str, int], StoredNode] = field(default_factory=dict)
    events: list[tuple[int, str, str | None, dict[str, Any]]] = field(default_factory=list)
    interrupts: list[StoredInterrupt] = field(default_factory=list)

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


def read(folder: Path) -> dict[str, StoredRun]:
    """Return every run of a store by its id; a store that no process has open."""
    connection = sqlite3.connect(folder / DATABASE)
    try:
        runs = {run.id: run for run in map(_run, connection.execute(_RUNS))}
        for row in connection.execute(
            "SELECT run_id, key, iteration, type, status, output, error FROM node_runs ORDER BY run_id, position"
        ):
            error = _json(row[6])
            runs[_id(row[0])].nodes[(row[1], row[2])] = StoredNode(row[3], row[4], _json(row[5]), error and error["code"])
        for run_id, first, events in connection.execute("SELECT run_id, first_seq, events FROM run_events ORDER BY run_id, first_seq"):
            for seq, (type_, node, _at, data) in enumerate(_json(events), start=first):
                runs[_id(run_id)].events.append((seq, type_, node, data or {}))
        for interrupt in interrupts(connection):
            runs[interrupt.run_id].interrupts.append(interrupt)
        return runs
    finally:
        connection.close()


def interrupts(connection: sqlite3.Connection) -> list[StoredInterrupt]:
    """Return everything that runs wait or waited for, oldest first."""
    rows = connection.execute("SELECT run_id, key, iteration, kind, round, status FROM interrupts ORDER BY id")
    return [StoredInterrupt(_id(run_id), *rest) for run_id, *rest in rows]


_RUNS = "SELECT id, idempotency_key, parent_run_id, parent_key, status, outputs, error, lease_owner FROM runs ORDER BY id"


def _run(row: Any) -> StoredRun:
    id_, key, parent, parent_key, status, outputs, error, owner = row
    return StoredRun(
        _id(id_),
        key and key.partition(":")[2],
        (_id(parent), parent_key) if parent else None,
        status,
        _json(outputs),
        _json(error),
        owner is not None,
    )


def _id(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
