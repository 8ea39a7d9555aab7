"""The checkpoint saver that LangGraph talks to."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME
from prometheus_client import Counter

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, GroupCommitter, Statement
from agentflow.infra.observability.metrics import QUICK_SECONDS, Tallies
from agentflow.kit.ids import is_id
from agentflow.runtime.checkpoints import retention
from agentflow.runtime.checkpoints.codec import RefusedBlob, StrictSerializer, pack
from agentflow.runtime.checkpoints.delta import State, encode
from agentflow.runtime.checkpoints.repository import CheckpointRepository, Lineage, PendingWrites
from agentflow.runtime.checkpoints.statements import CheckpointStatements

log = structlog.get_logger(__name__)

SIZES = Tallies(
    "agentflow_checkpoint_bytes",
    "Size of a checkpoint as stored: what its step changed.",
    "kind",
    (256, 1024, 4096, 16384, 65536, 1e6, 1e7),
)
TIMES = Tallies(
    "agentflow_checkpoint_put_duration_seconds",
    "Time of the saver for a checkpoint; `run` hands it to the journal of a run, `durable` waits for the disk.",
    "kind",
    QUICK_SECONDS,
)
USELESS = Counter(
    "agentflow_checkpoints_useless_total", "Checkpoints that could not be read or said more than the journal, and were passed over."
)

Sink = Callable[[Statement, Mapping[str, Any]], None]
"""Takes rows that somebody else makes durable."""
After = Callable[[Callable[[], None]], None]
"""Does something once the rows given to a sink are durable."""
Agrees = Callable[[Mapping[str, Any]], bool]
"""Tells whether the journal holds all that the channels of a checkpoint say."""

_KEPT_BY_RUNS = frozenset({INTERRUPT, RESUME})


def call_now(action: Callable[[], None]) -> None:
    """Fulfil ``After`` for rows that are durable, or for which that does not matter."""
    action()


class AgentFlowSaver(BaseCheckpointSaver[int]):
    """Keeps the checkpoints of one tenant.

    On its own, a saver returns from a write when it is durable. ``for_run`` makes one that joins its rows with those of a run's journal:
    they become durable together, and fencing is the journal's.

    Args:
        database: where checkpoints are.
        committer: makes rows durable when no sink does.
        tenant_id: whose checkpoints these are; without it the saver can only make others.
        sink: takes the rows instead of the committer.
        statements: those of the saver that this one is made from; rows of one statement object share a commit's work.
    """

    def __init__(
        self,
        database: Database,
        committer: GroupCommitter,
        tenant_id: str | None = None,
        *,
        sink: Sink | None = None,
        statements: CheckpointStatements | None = None,
    ) -> None:
        super().__init__(serde=StrictSerializer())
        self._database = database
        self._committer = committer
        self._tenant_id = tenant_id
        self._sink = sink
        self._statements = statements or CheckpointStatements(is_sqlite=database.is_sqlite)
        self._last: dict[tuple[str, str], tuple[str, State]] = {}
        """By thread and namespace: the newest checkpoint of this run, so that the next needs no read. Only used with a sink."""
        self._begun = False
        self._start: CheckpointTuple | None = None

    def for_tenant(self, tenant_id: str) -> "AgentFlowSaver":
        """Return a saver of one tenant whose writes are durable when they return."""
        return AgentFlowSaver(self._database, self._committer, tenant_id, statements=self._statements)

    def for_run(self, tenant_id: str, sink: Sink, _after: After = call_now) -> "AgentFlowSaver":
        """Return a saver for one run in the hands of this process; it hands rows to ``sink`` and returns at once.

        It does not keep the writes of single tasks, except questions to people and their answers: the run's journal remembers what each
        node did, so a task that is repeated after a crash gives the same writes again.
        """
        return AgentFlowSaver(self._database, self._committer, tenant_id, sink=sink, statements=self._statements)

    def with_allowlist(self, extra_allowlist: Any) -> "AgentFlowSaver":
        """Return this saver: no graph can add types to the allow-list."""
        return self

    async def has_checkpoint(self, thread_id: str) -> bool:
        """Tell whether a thread has been checkpointed."""
        return await self._repository.has_any(thread_id)

    async def begin(self, thread_id: str, agrees: Agrees | None) -> bool:
        """Find where a run goes on; True when at a checkpoint, False when at its start.

        A checkpoint is only a shorter way: one that cannot be read, or that says more than the journal holds, is passed over, and the
        engine walks from the start over the outcomes that the journal remembers.

        Args:
            thread_id: the run.
            agrees: judges the channels of a checkpoint; None for a run that begins, which needs no look at the database.
        """
        self._begun = True
        if agrees is not None:
            try:
                found = await self._repository.lineage(thread_id, "", None)
                self._start = None if found is None else await self._examined(thread_id, found, agrees)
            except RefusedBlob as error:
                USELESS.inc()
                log.warning("a checkpoint cannot be read; the run walks from its start", run_id=thread_id, error=str(error))
        return self._start is not None

    async def _examined(self, thread_id: str, found: tuple[str, Lineage], agrees: Agrees) -> CheckpointTuple | None:
        checkpoint_id, lineage = found
        checkpoint, state = lineage.rebuild(checkpoint_id)
        if not agrees(checkpoint["channel_values"]):
            USELESS.inc()
            log.warning("a checkpoint says more than the journal; the run walks from its start", run_id=thread_id)
            return None
        self._last[(thread_id, "")] = (checkpoint_id, state)
        pending = await self._repository.pending(thread_id, "", [checkpoint_id])
        return _tuple(lineage, checkpoint_id, pending[checkpoint_id])

    def close(self) -> None:
        """Hand over what the sink does not have yet; nothing here, where every checkpoint goes to it at once."""

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """Store a checkpoint as a child of the one that ``config`` names.

        Raises:
            UnstorableValue: the state holds a value that checkpoints do not.
            Fenced: the run has another owner (from the sink, or later from its flush).
        """
        began = time.perf_counter()
        configurable = config["configurable"]
        thread_id, namespace = configurable["thread_id"], configurable.get("checkpoint_ns", "")
        checkpoint_id, parent_id = checkpoint["id"], configurable.get("checkpoint_id")
        if parent_id == checkpoint_id:
            parent_id = None
        known = get_checkpoint_metadata(config, metadata)
        parent = await self._parent(thread_id, namespace, parent_id)
        body = encode(checkpoint, known, new_versions, parent)
        if self._sink is not None:
            self._last[(thread_id, namespace)] = (checkpoint_id, parent or _state(checkpoint))
        row = {"tenant_id": self._tenant, "thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}
        run_id = known.get("run_id")
        await self._store([(self._statements.put, {**row, "parent_id": parent_id, "run_id": run_id and str(run_id), "body": body})])
        kind = "durable" if self._sink is None else "run"
        SIZES.of(kind).observe(len(body))
        TIMES.of(kind).observe(time.perf_counter() - began)
        return _config(thread_id, namespace, checkpoint_id)

    async def aput_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = "") -> None:
        """Store what a task of the running step wrote.

        Raises:
            UnstorableValue: a write holds a value that checkpoints do not.
        """
        if self._sink is not None and not any(channel in _KEPT_BY_RUNS for channel, _ in writes):
            return
        configurable = config["configurable"]
        key = {
            "tenant_id": self._tenant,
            "thread_id": configurable["thread_id"],
            "checkpoint_ns": configurable.get("checkpoint_ns", ""),
            "checkpoint_id": configurable["checkpoint_id"],
            "task_id": task_id,
            "task_path": task_path,
        }
        rows: list[tuple[Statement, Mapping[str, Any]]] = []
        for position, (channel, value) in enumerate(writes):
            idx = WRITES_IDX_MAP.get(channel, position)
            statement = self._statements.add_write if idx >= 0 else self._statements.put_write
            rows.append((statement, {**key, "idx": idx, "channel": channel, "value": pack(value)}))
        if rows:
            await self._store(rows)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that ``config`` names, or the newest of its thread; None if there is none.

        Raises:
            RefusedBlob: what is stored is damaged or not ours.
        """
        thread_id, namespace = config["configurable"]["thread_id"], config["configurable"].get("checkpoint_ns", "")
        asked = get_checkpoint_id(config)
        if self._begun and asked is None and not namespace:
            return self._start
        if asked is not None and not is_id(asked):
            return None
        found = await self._repository.lineage(thread_id, namespace, asked)
        if found is None:
            return None
        checkpoint_id, lineage = found
        pending = await self._repository.pending(thread_id, namespace, [checkpoint_id])
        return _tuple(lineage, checkpoint_id, pending[checkpoint_id])

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield the checkpoints of a thread (of all threads without a ``config``), newest first.

        Args:
            config: thread, and optionally namespace and id.
            filter: metadata that must be equal.
            before: only checkpoints older than this one.
            limit: at most so many.
        """
        configurable = config["configurable"] if config else {}
        only, bound = configurable.get("checkpoint_id"), get_checkpoint_id(before) if before else None
        left = limit
        for thread_id in [configurable["thread_id"]] if config else await self._repository.threads():
            for namespace, lineage in (await self._repository.thread(thread_id, configurable.get("checkpoint_ns"))).items():
                chosen = [
                    checkpoint_id
                    for checkpoint_id in sorted(lineage.rows, reverse=True)
                    if (only is None or checkpoint_id == only)
                    and (bound is None or checkpoint_id < bound)
                    and _matches(lineage.change(checkpoint_id).metadata, filter)
                ][:left]
                left = None if left is None else left - len(chosen)
                pending = await self._repository.pending(thread_id, namespace, chosen)
                for checkpoint_id in chosen:
                    yield _tuple(lineage, checkpoint_id, pending[checkpoint_id])

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete everything of a thread."""
        tenant_id = self._tenant
        await self._database.bulk(lambda connection: retention.delete_threads(connection, tenant_id, [thread_id]))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that the given LangGraph runs made; later ones of the same thread stay readable."""
        tenant_id = self._tenant
        await self._database.bulk(lambda connection: retention.delete_for_runs(connection, tenant_id, run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything of a thread to another, which has nothing yet."""
        tenant_id = self._tenant
        await self._database.bulk(lambda connection: retention.copy_thread(connection, tenant_id, source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all (``delete``) or all but the newest checkpoints of each namespace (``keep_latest``).

        Raises:
            ValueError: the strategy is another.
        """
        tenant_id = self._tenant
        prune = {"keep_latest": retention.keep_latest, "delete": retention.delete_threads}.get(strategy)
        if prune is None:
            raise ValueError(f"Unknown strategy {strategy}; keep_latest and delete are known.")
        await self._database.bulk(lambda connection: prune(connection, tenant_id, thread_ids))

    @property
    def _tenant(self) -> str:
        if self._tenant_id is None:
            raise RuntimeError("This saver has no tenant; use for_tenant or for_run.")
        return self._tenant_id

    @property
    def _repository(self) -> CheckpointRepository:
        return CheckpointRepository(self._database, self._tenant)

    async def _parent(self, thread_id: str, namespace: str, parent_id: str | None) -> State | None:
        """Return the state of a parent, to be built upon; None when there is none and the checkpoint must be stored whole."""
        if parent_id is None:
            return None
        known = self._last.get((thread_id, namespace))
        if known is not None and known[0] == parent_id:
            return known[1]
        if not is_id(parent_id):
            return None
        found = await self._repository.lineage(thread_id, namespace, parent_id)
        return None if found is None else found[1].rebuild(parent_id)[1]

    async def _store(self, rows: Sequence[tuple[Statement, Mapping[str, Any]]]) -> None:
        if self._sink is not None:
            for statement, row in rows:
                self._sink(statement, row)
            return
        batch = Batch()
        for statement, row in rows:
            batch.add(statement, row)
        await self._committer.submit(batch)

    def get_tuple(self, config: RunnableConfig) -> NoReturn:
        """Refuse: the saver is asynchronous."""
        _refuse("aget_tuple")

    def list(self, config: RunnableConfig | None, **options: Any) -> Iterator[CheckpointTuple]:
        """Refuse: the saver is asynchronous."""
        _refuse("alist")

    def put(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse: the saver is asynchronous."""
        _refuse("aput")

    def put_writes(self, *arguments: Any, **options: Any) -> NoReturn:
        """Refuse: the saver is asynchronous."""
        _refuse("aput_writes")

    def delete_thread(self, thread_id: str) -> NoReturn:
        """Refuse: the saver is asynchronous."""
        _refuse("adelete_thread")


def _refuse(method: str) -> NoReturn:
    raise NotImplementedError(f"AgentFlowSaver works on the event loop only; use {method} (ainvoke, astream, aget_state).")


def _state(checkpoint: Checkpoint) -> State:
    return State(dict(checkpoint["channel_versions"]), {node: dict(seen) for node, seen in checkpoint["versions_seen"].items()})


def _config(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}}


def _tuple(lineage: Lineage, checkpoint_id: str, pending: PendingWrites) -> CheckpointTuple:
    row = lineage.rows[checkpoint_id]
    checkpoint, _ = lineage.rebuild(checkpoint_id)
    metadata: Any = lineage.change(checkpoint_id).metadata
    parent = None if row.parent_id is None else _config(row.thread_id, row.checkpoint_ns, row.parent_id)
    return CheckpointTuple(_config(row.thread_id, row.checkpoint_ns, checkpoint_id), checkpoint, metadata, parent, pending)


def _matches(metadata: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    return all(metadata.get(key) == value for key, value in (wanted or {}).items())
