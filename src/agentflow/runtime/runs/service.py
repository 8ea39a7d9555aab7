"""Starting, inspecting and cancelling runs: the public face of the runtime."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import update

from agentflow.errors import Invalid, InvalidSpec, NodeError, NotFound
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.observability.context import origin
from agentflow.kit.pagination import Page, PageRequest
from agentflow.nodes.context import ChildRun
from agentflow.runtime.dispatch.base import Dispatcher
from agentflow.runtime.execution import counts, spans
from agentflow.runtime.execution.failures import Suspended
from agentflow.runtime.execution.plans import PlanCache, spec_hash
from agentflow.runtime.execution.ports import ChildRequest, Ports
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.reader import EventReader
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.repository import find_seen, get_run
from agentflow.runtime.runs.admission import Admission
from agentflow.runtime.runs.answers import Answers, Where
from agentflow.runtime.runs.checkpoints import Checkpoints
from agentflow.runtime.runs.forks import patched, retried
from agentflow.runtime.runs.inbox import Inbox
from agentflow.runtime.runs.making import RunMaker, Workspace
from agentflow.runtime.runs.messages import Messages
from agentflow.runtime.runs.pausing import Pausing
from agentflow.runtime.runs.queries import RunFilter, list_node_runs, list_runs, live_children
from agentflow.runtime.runs.schemas import ForkStart, NodeRun, RetryStart, Run, RunOptions, RunStart
from agentflow.runtime.runs.special import control_of, special
from agentflow.runtime.runs.wire import to_node_run, to_run
from agentflow.runtime.states import PARKED, RunStatus
from agentflow.runtime.values.large import NODE_VALUES, RUN_VALUES
from agentflow.workflows.definitions.service import WorkflowService

MAX_CHILD_DEPTH = 10


class RunService:
    """Runs of stored and unsaved workflows, for one subject at a time."""

    def __init__(
        self,
        ports: Ports,
        plans: PlanCache,
        admission: Admission,
        dispatcher: Dispatcher,
        workflows: WorkflowService,
        workspace: Workspace,
    ) -> None:
        self._ports = ports
        self._plans = plans
        self._admission = admission
        self.overload = admission.overload
        self._dispatcher = dispatcher
        self._workflows = workflows
        self._maker = RunMaker(ports, plans, workspace)
        self._reader = EventReader(ports.database, ports.hub, ports.values)
        self._answers = Answers(ports)
        self.inbox, self.messages = Inbox(ports, self.wake), Messages(ports, self.wake)
        self.pausing = Pausing(ports, dispatcher.record, self.wake)
        """What runs wait for; events that are sent to them; keeping them from going on."""
        self.checkpoints = Checkpoints(ports.database, self._reader, ports.values)
        ports.run_child, ports.cancel_children, ports.wake = self.run_child, self.cancel_children, self.wake

    async def start_stored(self, subject: Subject, workflow_ref: str, request: RunStart, *, idempotency: Idempotency | None = None) -> Run:
        """Accept a run of a stored workflow; when this returns, the run will end whatever happens to the process.

        Raises:
            NotFound: no such workflow or version.
            InvalidInputs: the inputs do not fit the workflow's schema.
            IdempotencyKeyReused: the key was used with another body.
            QueueFull: too many runs of the tenant wait.
            Overloaded: the server has too much to do.
        """
        stored = await self._workflows.get_version(subject, workflow_ref, request.version)
        record = await self._maker.new(subject, stored.spec, stored.spec_hash, request.inputs, request)
        record.workflow_id, record.workflow_version = stored.workflow_id, stored.number
        return to_run(await self._admit(record, stored.spec, idempotency, by=subject))

    async def start_inline(
        self,
        subject: Subject,
        spec: Any,
        inputs: Mapping[str, Any],
        *,
        tags: Sequence[str] = (),
        lane: str | None = None,
        priority: int = 0,
        options: RunOptions | None = None,
        idempotency: Idempotency | None = None,
    ) -> Run:
        """Validate a specification and accept a run of it without saving it as a workflow.

        Raises:
            InvalidSpec: with every problem found.
            InvalidInputs: the inputs do not fit the specification's schema.
            IdempotencyKeyReused: the key was used with another body.
        """
        digest = spec_hash(spec)
        request = RunStart.model_construct(
            inputs=dict(inputs), version=None, lane=lane, priority=priority, tags=list(tags), **special(options)
        )
        record = await self._maker.new(subject, spec, digest, request.inputs, request)
        return to_run(await self._admit(record, spec, idempotency, by=subject))

    async def _admit(
        self,
        record: RunRecord,
        spec: Any,
        idempotency: Idempotency | None,
        seeds: Sequence[NodeRecord] = (),
        *,
        by: Subject | None = None,
    ) -> RunRecord:
        """Accept a run; ``by`` is who asked for it, None for a run that asked for a child."""
        if record.max_concurrency is not None:
            record.concurrency_key = record.workflow_id or record.spec_hash
        with spans.admission(record):
            record.request_id, record.traceparent = origin()
            said = None if by is None or self._ports.trail is None else await self._ports.trail.row(by, _started(record))
            admitted, is_new = await self._admission.admit(record, spec, idempotency, seeds, said)
            if is_new:
                counts.ACCEPTED(admitted.workflow_name).inc()
                self._dispatcher.dispatch(admitted, fresh=True)
        return admitted

    async def fork(self, subject: Subject, run_id: str, fork: ForkStart, *, idempotency: Idempotency | None = None) -> Run:
        """Accept a new run that begins where another one stood at a checkpoint, with changes to the state.

        Raises:
            RunNotFound: the tenant has no such run.
            CheckpointNotFound: the run has no such checkpoint.
            Invalid: the changes do not fit the workflow or the checkpoint.
        """
        source = await get_run(self._ports.database, subject, run_id)
        plan = await self._plans.of_run(source)
        if fork.state.inputs is not None and fork.checkpoint != 0:
            raise Invalid("Inputs can only be changed at checkpoint 0.", hint='Add "checkpoint": 0, or start a new run.')
        seeds = patched(plan, await self.checkpoints.records(subject, source, fork.checkpoint), fork.state.nodes)
        record = self._maker.follower(subject, source, plan, "fork", fork.checkpoint, control_of(fork, fork, plan))
        if fork.state.inputs is not None:
            record.inputs = self._maker.inputs.check(source.spec_hash, plan.spec.inputs, fork.state.inputs)
        record.tags = list(dict.fromkeys([*source.tags, *fork.tags]))
        return to_run(await self._admit(record, await self._plans.document(source), idempotency, seeds, by=subject))

    async def retry(self, subject: Subject, run_id: str, retry: RetryStart, *, idempotency: Idempotency | None = None) -> Run:
        """Accept a new run that keeps what an ended run has done and goes on from what failed.

        Raises:
            RunNotFound: the tenant has no such run.
            RunNotRetryable: it has not ended, or it succeeded.
            Invalid: the workflow has no such node.
        """
        source = await get_run(self._ports.database, subject, run_id)
        plan = await self._plans.of_run(source)
        seeds = retried(source, plan, await self.checkpoints.records(subject, source, None), retry.from_node)
        record = self._maker.follower(subject, source, plan, "retry", None, control_of(retry, retry, plan))
        return to_run(await self._admit(record, await self._plans.document(source), idempotency, seeds, by=subject))

    async def wait(self, subject: Subject, run_id: str, timeout_s: float, *, or_parked: bool = False) -> Run:
        """Wait up to ``timeout_s`` for the end of a run (or until it waits itself) and return it as it is then.

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
                    if record.status.is_terminal or (or_parked and record.status in PARKED):
                        return await self.get(subject, run_id)
                left = deadline - self._ports.clock.monotonic()
                if left <= 0:
                    return await self.get(subject, run_id)
                # Another process may drive the run: look again now and then.
                await asyncio.wait([end], timeout=min(left, 1.0))
                if end.done() and record.status.is_terminal:
                    return to_run(record)
            finally:
                self._ports.hub.forget(run_id, end)

    async def get(self, subject: Subject, run_id: str, values: Collection[str] = RUN_VALUES) -> Run:
        """Return a run; of its large values those named in ``values``, as far as one answer may hold them.

        Raises:
            RunNotFound: the tenant has no such run.
            ObjectMissing: a large value is gone.
        """
        record = await get_run(self._ports.database, subject, run_id)
        await self._ports.values.fill(record, values, self._ports.values.budget())
        return to_run(record)

    async def sees(self, subject: Subject, run_id: str) -> bool:
        """Tell whether the subject sees a run."""
        return await find_seen(self._ports.database, subject, run_id) is not None

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
        records, budget = await list_node_runs(self._ports.database, run), self._ports.values.budget()
        for record in records:
            await self._ports.values.fill(record, NODE_VALUES, budget)
        return [to_node_run(record, static.get(record.key)) for record in records]

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
        await self._ask_to_stop(subject, record, Deed("run.cancelled", record.id))
        return await self.wait(subject, run_id, timeout_s=2.0)

    async def _ask_to_stop(self, subject: Subject, record: RunRecord, deed: Deed | None = None) -> None:
        run_id = record.id
        async with self._ports.database.transaction(subject.tenant_id) as session:
            # A signal, too: a run that is being parked looks at nothing else.
            wish = {"cancel_requested": True, "signals": RunRow.signals + 1}
            await session.execute(update(RunRow).where(RunRow.tenant_id == subject.tenant_id, RunRow.id == run_id).values(wish))
            if deed is not None:
                await self._ports.note(session, subject, deed)
        if not self._dispatcher.cancel(run_id):
            await self._admission.take_over_cancelled(record)

    async def answer(
        self, subject: Subject, run_id: str, node_id: str | None, answer: Mapping[str, Any], where: Where | None = None
    ) -> Run:
        """Answer what a run waits for at ``node_id``, or at ``where``; the first valid answer counts.

        Raises:
            RunNotFound: the tenant has no such run.
            AgentFlowError: see ``Answers.answer``.
        """
        record = await get_run(self._ports.database, subject, run_id)
        await self._answers.answer(subject, record, where or Where(node_id), dict(answer))
        await self.wake(run_id)
        return await self.get(subject, run_id)

    async def run_child(self, request: ChildRequest) -> ChildRun:
        """Run a workflow as a child and wait for its end; asking again for the same parent key finds the same child.

        Raises:
            NodeError: ``DEPTH_EXCEEDED``, ``WORKFLOW_NOT_FOUND``, ``NOT_PERMITTED`` or ``INVALID_INPUTS``.
        """
        if request.depth > MAX_CHILD_DEPTH:
            raise NodeError(
                f"Subworkflows are nested deeper than {MAX_CHILD_DEPTH}.",
                error_code="DEPTH_EXCEEDED",
                hint="Break the chain: a workflow seems to call itself.",
            )
        child = await self._admission.find_child(request) or await self._start_child(request)
        run = await self._to_the_end(request, child.id)
        outputs = run.outputs
        if run.large_values:
            record = await get_run(self._ports.database, request.subject, child.id)
            await self._ports.values.fill(record, ("outputs",))
            outputs = record.outputs
        return ChildRun(run.id, run.status.value, outputs, run.error.model_dump() if run.error else None)

    async def _start_child(self, request: ChildRequest) -> RunRecord:
        try:
            stored = await self._workflows.get_version(request.subject, request.workflow, request.version)
        except NotFound as error:
            raise NodeError(error.message, error_code="WORKFLOW_NOT_FOUND", hint=error.hint) from error
        start = RunStart.model_construct(inputs=dict(request.inputs), version=stored.number, lane=None, priority=0, tags=[])
        request.rights.require_workflow(request.subject, stored.workflow_id, request.workflow)
        record = await self._maker.new(request.subject, stored.spec, stored.spec_hash, request.inputs, start)
        record.workflow_id, record.workflow_version = stored.workflow_id, stored.number
        record.parent_run_id, record.parent_key, record.depth = request.parent_run_id, request.parent_key, request.depth
        return await self._admit(record, stored.spec, None)

    async def _to_the_end(self, request: ChildRequest, run_id: str) -> Run:
        """Wait for a child; when the parent is stopped meanwhile, the child is stopped too.

        Raises:
            Suspended: the child waits for something; its end puts the parent back into the queue.
        """
        try:
            look_s = self._ports.settings.sweep_interval_s
            while not (run := await self.wait(request.subject, run_id, timeout_s=look_s, or_parked=True)).status.is_terminal:
                if run.status in PARKED:
                    raise Suspended
                if run.status is RunStatus.QUEUED:
                    await self._admission.find_child(request)
        except asyncio.CancelledError:
            self._dispatcher.cancel(run_id)
            raise
        return run

    async def cancel_children(self, run: RunRecord) -> None:
        """Ask the children of a run that did not succeed to stop."""
        subject = Subject(run.tenant_id, run.user_id, ALL_PERMISSIONS)
        for child in await live_children(self._ports.database, run.id):
            await self._ask_to_stop(subject, child)

    async def wake(self, run_id: str) -> None:
        """Tell whoever drives a run, or the workers if it was put back into the queue, that something has come for it."""
        self._dispatcher.signalled(run_id)


def _started(record: RunRecord) -> Deed:
    said: dict[str, Any] = {"spec_hash": record.spec_hash, "workflow_id": record.workflow_id, "version": record.workflow_version}
    if record.origin_run_id is not None:
        said |= {"origin_run_id": record.origin_run_id, "origin_kind": record.origin_kind}
    return Deed("run.started", record.id, said)
