"""The world as one attempt of one node sees it: fulfils ``nodes.context.NodeContext``."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agentflow.errors import NodeError
from agentflow.llm.metered import MeteredModels
from agentflow.nodes.context import (
    ChildRun,
    DatabaseSource,
    HttpClient,
    Knowledge,
    ModelGateway,
    Part,
    Question,
    Reply,
    ResolvedSource,
    Usage,
)
from agentflow.runtime.execution.failures import Suspended, UnknownOutcome
from agentflow.runtime.execution.ports import ChildRequest, Ports
from agentflow.runtime.execution.rights import RightfulKnowledge, Rights
from agentflow.runtime.execution.usage import UsageMeter
from agentflow.runtime.execution.waits import Waits
from agentflow.runtime.interrupts.records import InterruptStatus
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import EventType
from agentflow.spec.effects import EffectClass

_LONGEST_SLEEP_S = 60.0


class Context:
    """One attempt of one node."""

    def __init__(
        self,
        *,
        run: RunRecord,
        record: NodeRecord,
        parts: Sequence[Part],
        source: ResolvedSource | None,
        rights: Rights,
        journal: RunJournal,
        meter: UsageMeter,
        waits: Waits,
        recovered: bool,
        ports: Ports,
    ) -> None:
        self.tenant_id = run.tenant_id
        self.run_id = run.id
        self.node_id = record.key
        self.attempt = record.attempts
        self.key = f"{run.id}:{record.key}:{record.iteration}"
        self.started_at: datetime = record.started_at or ports.clock.now()
        self.inputs: Mapping[str, Any] = run.inputs
        self.parts = parts
        self.source = source
        self.usage = UsageMeter()
        self._run, self._record, self._rights, self._journal, self._meter, self._ports = run, record, rights, journal, meter, ports
        self._waits, self._recovered = waits, recovered
        self._tokens = journal.hidden.stream()

    @property
    def http(self) -> HttpClient:
        """HTTP behind the SSRF guard."""
        return self._ports.http

    @property
    def models(self) -> ModelGateway:
        """Chat and embedding models, held to the quota of the run's tenant."""
        return MeteredModels(self._ports.models, self._ports.allowance, self.tenant_id) if self._ports.allowance else self._ports.models

    @property
    def knowledge(self) -> Knowledge:
        """The collections that the run may use."""
        return RightfulKnowledge(self._rights, self._ports)

    def database(self) -> DatabaseSource:
        """Return the database of the node's source."""
        if self.source is None:
            raise NodeError("The node names no source.", error_code="DB_CONFIG", hint="Add a source of kind db to the specification.")
        return self._ports.open_database(self.source, self.tenant_id)

    def token(self, text: str) -> None:
        """Stream a piece of text to present readers; what may be the begin of a secret waits for what comes behind it."""
        shown = self._tokens.feed(text)
        if shown:
            self._journal.live(EventType.NODE_TOKEN, self.node_id, {"text": shown})

    def settle(self) -> None:
        """Stream what was held back: the execution is over."""
        held = self._tokens.end()
        if held:
            self._journal.live(EventType.NODE_TOKEN, self.node_id, {"text": held})

    def progress(self, fraction: float | None, message: str = "") -> None:
        """Append a ``node.progress`` event."""
        self._journal.event(EventType.NODE_PROGRESS, self.node_id, {"fraction": fraction, "message": message})

    def log(self, message: str, level: Literal["debug", "info", "warning", "error"] = "info", **data: Any) -> None:
        """Append a ``log`` event."""
        self._journal.event(EventType.LOG, self.node_id, {"level": level, "message": message, **({"data": data} if data else {})})

    def use(self, usage: Usage) -> None:
        """Count model use towards the node and the run, and hold the run to its limits."""
        self.usage.add(usage)
        self._meter.add(usage)
        self._meter.check()

    async def cannot_repeat(self) -> None:
        """Store that this execution is of class ``once``; see ``NodeContext.cannot_repeat``."""
        self._record.effect = EffectClass.ONCE.value
        if self._recovered:
            raise UnknownOutcome
        self._journal.node(self._record)
        await self._journal.flush()

    async def ask(self, question: Question) -> Reply:
        """Wait for a person or an event; see ``NodeContext.ask``."""
        settled = await self._waits.ask((self._record.key, self._record.iteration), question)
        status: Literal["answered", "expired"] = "expired" if settled.status is InterruptStatus.EXPIRED else "answered"
        return Reply(status, settled.answer or {}, settled.answered_by, settled.answered_at or settled.expires_at)

    async def sleep_until(self, moment: datetime) -> None:
        """Wait until a moment; a long wait gives the worker back."""
        # In pieces, for the wall clock may be set while we sleep.
        while (left := (moment - self._ports.clock.now()).total_seconds()) > 0:
            if left > self._ports.settings.park_after_s:
                raise Suspended(moment)
            await asyncio.sleep(min(left, _LONGEST_SLEEP_S))

    async def run_child(self, workflow: str, inputs: Mapping[str, Any], version: int | Literal["latest"]) -> ChildRun:
        """Run another workflow as a child of this node's execution."""
        if self._ports.run_child is None:
            raise NodeError("This process cannot start child runs.", error_code="WORKFLOW_NOT_FOUND")
        return await self._ports.run_child(
            ChildRequest(
                subject=await self._rights.subject(),
                rights=self._rights,
                parent_run_id=self.run_id,
                parent_key=f"{self._record.key}:{self._record.iteration}",
                depth=self._run.depth + 1,
                workflow=workflow,
                version=None if version == "latest" else version,
                inputs=inputs,
            )
        )
