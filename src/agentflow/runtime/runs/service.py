"""Starting, inspecting and cancelling runs: the public face of the runtime."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from agentflow.errors import InvalidSpec, NodeError, NotFound
from agentflow.identity.subject import Subject
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.nodes.context import ChildRun
from agentflow.runtime.dispatch.inline import InlineDispatcher
from agentflow.runtime.execution.plans import PlanCache, spec_hash
from agentflow.runtime.execution.ports import ChildRequest, Ports
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.reader import EventReader
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.runs.admission import Admission
from agentflow.runtime.runs.inputs import InputSchemas
from agentflow.runtime.runs.queries import RunFilter, list_node_runs, list_runs
from agentflow.runtime.runs.schemas import NodeRun, Run, RunStart
from agentflow.runtime.runs.wire import to_node_run, to_run
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions.service import WorkflowService, invalid_spec

MAX_CHILD_DEPTH = 10


class RunService:
    """Runs of stored and unsaved workflows, for one subject at a time."""

    def __init__(
        self,
        ports: Ports,
        plans: PlanCache,
        admission: Admission,
        dispatcher: InlineDispatcher,
        workflows: WorkflowService,
        validate: Callable[[Any], ValidationResult],
    ) -> None:
        self._ports = ports
        self._plans = plans
        self._admission = admission
        self._dispatcher = dispatcher
        self._workflows = workflows
        self._validate = validate
        self._inputs = InputSchemas(ports.settings.compiled_cache_size)
        self._reader = EventReader(ports.database, ports.hub)
        ports.run_child = self.run_child

    async def start_stored(self, subject: Subject, workflow_ref: str, request: RunStart, *, idempotency: Idempotency | None = None) -> Run:
        """Accept a run of a stored workflow; when this returns, the run will end whatever happens to the process.

        Raises:
            NotFound: no such workflow or version.
            InvalidInputs: the inputs do not fit the workflow's schema.
            IdempotencyKeyReused: the key was used with another body.
        """
        stored = await self._workflows.get_version(subject, workflow_ref, request.version)
        record = self._record(subject, stored.spec, stored.spec_hash, request.inputs, request)
        record.workflow_id, record.workflow_version = stored.workflow_id, stored.number
        return to_run(await self._admit(record, stored.spec, idempotency))

    async def start_inline(
        self,
        subject: Subject,
        spec: Any,
        inputs: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        lane: str | None = None,
        priority: int = 0,
        idempotency: Idempotency | None = None,
    ) -> Run:
        """Validate a specification and accept a run of it without saving it as a workflow.

        Raises:
            InvalidSpec: with every problem found.
            InvalidInputs: the inputs do not fit the specification's schema.
            IdempotencyKeyReused: the key was used with another body.
        """
        digest = spec_hash(spec)
        request = RunStart.model_construct(inputs=dict(inputs), version=None, lane=lane, priority=priority, tags=list(tags))
        record = self._record(subject, spec, digest, request.inputs, request)
        return to_run(await self._admit(record, spec, idempotency))

    def _record(self, subject: Subject, spec: Any, digest: str, inputs: Mapping[str, Any], request: RunStart) -> RunRecord:
        if self._plans.find(digest) is None:
            # A stored specification was valid for the node types of its day, or is still being drawn.
            errors = list(self._validate(spec).errors)
            if errors:
                raise invalid_spec(errors)
        plan = self._plans.build(digest, spec)
        now = self._ports.clock.now()
        timeout_s = plan.spec.limits.timeout_s or self._ports.settings.default_run_timeout_s
        return RunRecord(
            id=new_id(),
            tenant_id=subject.tenant_id,
            user_id=subject.user_id,
            workflow_id=None,
            workflow_version=None,
            workflow_name=plan.spec.name,
            spec_hash=digest,
            inputs=self._inputs.check(digest, plan.spec.inputs, inputs),
            created_at=now,
            deadline_at=now + timedelta(seconds=timeout_s),
            lane=request.lane,
            priority=request.priority,
            tags=list(dict.fromkeys([*plan.spec.tags, *request.tags])),
        )

    async def _admit(self, record: RunRecord, spec: Any, idempotency: Idempotency | None) -> RunRecord:
        admitted, is_new = await self._admission.admit(record, spec, idempotency)
        if is_new:
            self._dispatcher.dispatch(admitted, fresh=True)
        return admitted

    async def wait(self, subject: Subject, run_id: str, timeout_s: float) -> Run:
        """Wait up to ``timeout_s`` for the end of a run and return it as it is then.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        deadline = self._ports.clock.monotonic() + timeout_s
        while True:
            end = self._ports.hub.end_of(run_id)
            try:
                record = self._dispatcher.record(run_id)
                if record is None or record.tenant_id != subject.tenant_id:
                    record = await get_run(self._ports.database, subject, run_id)
                    if record.status.is_terminal:
                        return to_run(record)
                left = deadline - self._ports.clock.monotonic()
                if left <= 0:
                    return await self.get(subject, run_id)
                # Another process may drive the run: look again now and then.
                await asyncio.wait([end], timeout=min(left, 1.0))
                if end.done() and record.status.is_terminal:
                    return to_run(record)
            finally:
                self._ports.hub.forget(run_id, end)

    async def get(self, subject: Subject, run_id: str) -> Run:
        """Return a run.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        return to_run(await get_run(self._ports.database, subject, run_id))

    async def list(self, subject: Subject, which: RunFilter, page: PageRequest) -> Page[Run]:
        """Return one page of the tenant's runs, newest first unless sorted otherwise.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        found = await list_runs(self._ports.database, subject, which, page)
        return Page([to_run(record) for record in found.items], found.next_cursor, found.total)

    async def nodes(self, subject: Subject, run_id: str) -> Sequence[NodeRun]:
        """Return the node runs of a run in the order they began.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        run = await get_run(self._ports.database, subject, run_id)
        static = await self._static_inputs(run)
        return [to_node_run(record, static.get(record.key)) for record in await list_node_runs(self._ports.database, run)]

    async def _static_inputs(self, run: RunRecord) -> Mapping[str, Any]:
        """Return the configs in which nothing rendered, by node: they are not stored with each run."""
        try:
            plan = await self._plans.of_run(run)
        except InvalidSpec:
            # A node type of the run is no longer installed; its history stays readable.
            return {}
        return {node.id: node.node.config for node in plan.nodes.values() if node.static_config is not None}

    async def events(self, subject: Subject, run_id: str, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Return up to ``limit`` stored events behind ``after``, in order.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        return await self._reader.read(subject, run_id, after, limit)

    def follow(self, subject: Subject, run_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Yield every event behind ``after`` and those that come, up to the one that ends the run.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        return self._reader.follow(subject, run_id, after)

    async def cancel(self, subject: Subject, run_id: str) -> Run:
        """Ask a run to stop. A run that has ended stays as it is.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        record = await get_run(self._ports.database, subject, run_id)
        if record.status.is_terminal:
            return to_run(record)
        async with self._ports.database.transaction() as session:
            await session.execute(
                update(RunRow).where(RunRow.tenant_id == subject.tenant_id, RunRow.id == run_id).values(cancel_requested=True)
            )
        if not self._dispatcher.cancel(run_id):
            await self._admission.take_over_cancelled(record, self._dispatcher)
        return await self.wait(subject, run_id, timeout_s=2.0)

    async def run_child(self, request: ChildRequest) -> ChildRun:
        """Run a workflow as a child and wait for its end; asking again for the same parent key finds the same child.

        Raises:
            NodeError: ``DEPTH_EXCEEDED``, ``WORKFLOW_NOT_FOUND`` or ``INVALID_INPUTS``.
        """
        if request.depth > MAX_CHILD_DEPTH:
            raise NodeError(
                f"Subworkflows are nested deeper than {MAX_CHILD_DEPTH}.",
                error_code="DEPTH_EXCEEDED",
                hint="Break the chain: a workflow seems to call itself.",
            )
        child = await self._admission.find_child(request)
        if child is None:
            child = await self._start_child(request)
        run = await self._to_the_end(request.subject, child.id)
        return ChildRun(run.id, run.status.value, run.outputs, run.error.model_dump() if run.error else None)

    async def _start_child(self, request: ChildRequest) -> RunRecord:
        try:
            stored = await self._workflows.get_version(request.subject, request.workflow, request.version)
        except NotFound as error:
            raise NodeError(error.message, error_code="WORKFLOW_NOT_FOUND", hint=error.hint) from error
        start = RunStart.model_construct(inputs=dict(request.inputs), version=stored.number, lane=None, priority=0, tags=[])
        record = self._record(request.subject, stored.spec, stored.spec_hash, request.inputs, start)
        record.workflow_id, record.workflow_version = stored.workflow_id, stored.number
        record.parent_run_id, record.parent_key, record.depth = request.parent_run_id, request.parent_key, request.depth
        return await self._admit(record, stored.spec, None)

    async def _to_the_end(self, subject: Subject, run_id: str) -> Run:
        """Wait for a child; when the parent is stopped meanwhile, the child is stopped too."""
        try:
            while not (run := await self.wait(subject, run_id, timeout_s=3600)).status.is_terminal:
                pass
        except asyncio.CancelledError:
            self._dispatcher.cancel(run_id)
            raise
        return run
