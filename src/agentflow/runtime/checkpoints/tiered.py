"""The saver over both tiers: checkpoints of live runs go to Redis, and the newest of a run is written back to the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    copy_checkpoint,
    get_checkpoint_metadata,
)
from prometheus_client import Counter

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, GroupCommitter, Statement
from agentflow.runtime.checkpoints.delta import encode
from agentflow.runtime.checkpoints.hot import HotTier, key_of
from agentflow.runtime.checkpoints.hot_rows import TieredRepository, field_of, pack_row
from agentflow.runtime.checkpoints.saver import After, AgentFlowSaver, Agrees, Sink, call_now
from agentflow.runtime.checkpoints.statements import CheckpointStatements

WRITTEN_BACK = Counter("agentflow_checkpoints_written_back_total", "Checkpoints that were written from Redis' tier to the database.")

SETTLE_AFTER = 256
"""Checkpoints after which a run is written back whatever the time: bounds what Redis holds of it."""

Place = tuple[str, str]


class TieredSaver(AgentFlowSaver):
    """Keeps the checkpoints of one tenant; reads see both tiers.

    Without a run's journal a checkpoint has nothing else to rest on: it goes to the database and is durable when the write returns.
    """

    def __init__(
        self,
        database: Database,
        committer: GroupCommitter,
        tier: HotTier,
        tenant_id: str | None = None,
        *,
        sink: Sink | None = None,
        statements: CheckpointStatements | None = None,
    ) -> None:
        super().__init__(database, committer, tenant_id, sink=sink, statements=statements)
        self._tier = tier

    def for_tenant(self, tenant_id: str) -> "TieredSaver":
        """Return a saver of one tenant whose writes are durable when they return."""
        return TieredSaver(self._database, self._committer, self._tier, tenant_id, statements=self._statements)

    def for_run(self, tenant_id: str, sink: Sink, after: After = call_now) -> "RunSaver":
        """Return a saver for one run in the hands of this process; see ``RunSaver``."""
        return RunSaver(self._database, self._committer, self._tier, tenant_id, sink, after, self._statements)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete everything of a thread."""
        await super().adelete_thread(thread_id)
        await self._tier.drop([key_of(self._tenant, thread_id)])

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints that the given LangGraph runs made; later ones of the same thread stay readable."""
        await self._bring_down(await self._tier.threads(self._tenant))
        await super().adelete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy everything of a thread to another, which has nothing yet."""
        await self._bring_down([source_thread_id])
        await super().acopy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete all (``delete``) or all but the newest checkpoints of each namespace (``keep_latest``).

        Raises:
            ValueError: the strategy is another.
        """
        await self._bring_down(thread_ids)
        await super().aprune(thread_ids, strategy=strategy)

    @property
    def _repository(self) -> TieredRepository:
        return TieredRepository(self._database, self._tenant, self._tier)

    async def _bring_down(self, thread_ids: Sequence[str]) -> None:
        """Move what Redis holds of threads to the database."""
        batch = Batch()
        for thread_id in thread_ids:
            for row in (await self._repository.hot(thread_id)).values():
                batch.add(
                    self._statements.put,
                    {
                        "tenant_id": self._tenant,
                        "thread_id": thread_id,
                        "checkpoint_ns": row.checkpoint_ns,
                        "checkpoint_id": row.checkpoint_id,
                        "parent_id": row.parent_id,
                        "run_id": row.run_id,
                        "body": row.body,
                    },
                )
        if batch.writes:
            await self._committer.submit(batch)
        await self._tier.drop([key_of(self._tenant, thread_id) for thread_id in thread_ids])


@dataclass(frozen=True, slots=True)
class _Kept:
    """The newest checkpoint of a place, in Redis but not in the database."""

    checkpoint: Checkpoint
    metadata: Mapping[str, Any]
    row: Mapping[str, Any]


class RunSaver(TieredSaver):
    """Keeps the checkpoints of one run in the hands of this process.

    A checkpoint goes to Redis once the journal's rows that it stands on are durable, so Redis never knows more than the journal. The newest
    is written back through the journal: from time to time, when Redis is lost, and at the end.
    """

    def __init__(
        self,
        database: Database,
        committer: GroupCommitter,
        tier: HotTier,
        tenant_id: str,
        sink: Sink,
        after: After,
        statements: CheckpointStatements,
    ) -> None:
        super().__init__(database, committer, tier, tenant_id, sink=sink, statements=statements)
        self._hand_over = sink
        self._after = after
        self._given: dict[Place, tuple[Checkpoint, Mapping[str, Any]]] = {}
        self._kept: dict[Place, _Kept] = {}
        self._saved: dict[Place, Mapping[str, Any]] = {}
        """By place, the key of the row that the last write-back made."""
        self._in_redis: dict[str, list[bytes]] = {}

    async def begin(self, thread_id: str, agrees: Agrees | None) -> bool:
        """Find where the run goes on; see ``AgentFlowSaver.begin``."""
        found = await super().begin(thread_id, agrees)
        if agrees is not None:
            self._in_redis[thread_id] = list(await self._tier.read(key_of(self._tenant, thread_id)))
            if self._in_redis[thread_id] and self._start is not None:
                self._kept[thread_id, ""] = self._taken_over(thread_id, self._start)
            self._tier.watch(self)
        return found

    def _taken_over(self, thread_id: str, start: CheckpointTuple) -> _Kept:
        """Return what an earlier owner left in Redis as ours, so that it is written back like ours."""
        row = {
            "tenant_id": self._tenant,
            "thread_id": thread_id,
            "checkpoint_ns": "",
            "checkpoint_id": start.checkpoint["id"],
            "run_id": start.metadata.get("run_id"),
        }
        return _Kept(copy_checkpoint(start.checkpoint), start.metadata, row)  # LangGraph goes on in the one that it is given

    async def aput(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new_versions: ChannelVersions
    ) -> RunnableConfig:
        """Put a checkpoint into Redis, or into the database while Redis is away.

        Raises:
            UnstorableValue: the state holds a value that checkpoints do not.
        """
        configurable = config["configurable"]
        place = configurable["thread_id"], configurable.get("checkpoint_ns", "")
        self._given[place] = checkpoint, dict(get_checkpoint_metadata(config, metadata))
        return await super().aput(config, checkpoint, metadata, new_versions)

    async def _store(self, rows: Sequence[tuple[Statement, Mapping[str, Any]]]) -> None:
        for statement, row in rows:
            if statement is self._statements.put and self._tier.up:
                self._keep(row)
            else:
                self._hand_over(statement, row)
                self._saved.clear()  # later rows stand on it

    def _keep(self, row: Mapping[str, Any]) -> None:
        place = row["thread_id"], row["checkpoint_ns"]
        self._kept[place] = _Kept(*self._given[place], row)
        field = field_of(row["checkpoint_ns"], row["checkpoint_id"])
        fields = self._in_redis.setdefault(row["thread_id"], [])
        if not fields:
            self._tier.watch(self)
        fields.append(field)
        value = pack_row(row["parent_id"], row["run_id"], row["body"])
        self._after(partial(self._tier.put, key_of(self._tenant, row["thread_id"]), field, value))
        if len(fields) >= SETTLE_AFTER:
            self.settle()

    def settle(self) -> None:
        """Hand the newest checkpoints to the journal, whole, and take them out of Redis once they are durable."""
        for place, kept in self._kept.items():
            body = encode(kept.checkpoint, kept.metadata, (), None)
            self._hand_over(self._statements.put, {**kept.row, "parent_id": None, "body": body})
            before = self._saved.get(place)
            if before is not None:
                self._hand_over(self._statements.drop, before)
            self._saved[place] = {name: kept.row[name] for name in ("tenant_id", "thread_id", "checkpoint_ns", "checkpoint_id")}
            WRITTEN_BACK.inc()
        self._kept.clear()
        for thread_id, fields in self._in_redis.items():
            self._after(partial(self._tier.forget, key_of(self._tenant, thread_id), fields))
        self._in_redis.clear()

    def close(self) -> None:
        """Settle, and be watched no more."""
        self.settle()
        self._tier.leave(self)
