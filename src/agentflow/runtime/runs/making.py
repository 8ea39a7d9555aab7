"""Making the record of a run: what it is pinned to before it is accepted."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Literal, Protocol

from agentflow.compiler.plan import Plan
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.runtime.execution.plans import PlanCache
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.runs.inputs import InputSchemas
from agentflow.runtime.runs.schemas import RunStart
from agentflow.runtime.runs.special import control_of
from agentflow.spec.uses import Uses
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions.judging import invalid_spec


class Workspace(Protocol):
    """What a tenant has besides its workflows."""

    async def validation(self, tenant_id: str) -> Callable[[Any], ValidationResult]:
        """Return validation with the secrets, variables and sources that a tenant has now."""
        ...

    def structure(self, document: Any) -> ValidationResult:
        """Validate without what any tenant has."""
        ...

    def uses(self, document: Any) -> Uses:
        """Return what a specification needs that exists outside of it."""
        ...

    async def variables(self, tenant_id: str, wanted: Collection[str] | None) -> Mapping[str, Any]:
        """Return the values of a tenant's variables among ``wanted``, of all where that is None."""
        ...


REMEMBERED = 20_000
"""Specifications of which is remembered that they are valid for a tenant: a name and some bytes each, where a plan has thousands."""


class RunMaker:
    """Makes the records of new runs.

    Args:
        ports: the outside of the runtime.
        plans: the plans of specifications.
        workspace: what tenants have besides their workflows.
    """

    def __init__(self, ports: Ports, plans: PlanCache, workspace: Workspace) -> None:
        self._ports = ports
        self._plans = plans
        self._workspace = workspace
        self._valid: OrderedDict[tuple[str, str], frozenset[str] | None] = OrderedDict()
        self.inputs = InputSchemas(ports.settings.compiled_cache_size)
        """Checks inputs."""

    async def new(self, subject: Subject, spec: Any, digest: str, inputs: Mapping[str, Any], request: RunStart) -> RunRecord:
        """Return the record of a run from the begin of a specification.

        Raises:
            InvalidSpec: with every problem found.
            InvalidInputs: the inputs do not fit its schema.
        """
        read = await self._validated(subject.tenant_id, spec, digest)
        plan = self._plans.build(digest, spec)
        checked = self.inputs.check(digest, plan.spec.inputs, inputs)
        variables = None
        if read is None or read:
            variables = dict(await self._workspace.variables(subject.tenant_id, read))
        now = self._ports.clock.now()
        timeout_s = plan.spec.limits.timeout_s or self._ports.settings.default_run_timeout_s
        return RunRecord(
            id=new_id(),
            tenant_id=subject.tenant_id,
            user_id=subject.user_id,
            key_id=subject.key_id,
            workflow_id=None,
            workflow_version=None,
            workflow_name=plan.spec.name,
            spec_hash=digest,
            inputs=checked,
            created_at=now,
            deadline_at=now + timedelta(seconds=timeout_s),
            lane=request.lane,
            priority=request.priority,
            tags=list(dict.fromkeys([*plan.spec.tags, *request.tags])),
            control=control_of(request, request, plan),
            variables=variables,
            max_concurrency=plan.spec.limits.max_concurrency,
        )

    async def _validated(self, tenant_id: str, spec: Any, digest: str) -> frozenset[str] | None:
        """Make sure that a specification is valid for a tenant, once; returns the variables that it reads, None for any."""
        key = (tenant_id, digest)
        if key not in self._valid:
            # A stored specification was valid for the node types of its day, or is still being drawn; and what one tenant has, another lacks.
            uses = self._workspace.uses(spec)
            # What names nothing that a tenant has is spared three queries; what is wrong with it is told with all that is known.
            if not (uses.is_empty and self._workspace.structure(spec).valid):
                errors = list((await self._workspace.validation(tenant_id))(spec).errors)
                if errors:
                    raise invalid_spec(errors)
            self._valid[key] = uses.variables
            while len(self._valid) > REMEMBERED:
                self._valid.popitem(last=False)
        self._valid.move_to_end(key)
        return self._valid[key]

    def follower(
        self,
        subject: Subject,
        source: RunRecord,
        plan: Plan,
        kind: Literal["retry", "fork"],
        checkpoint: int | None,
        control: dict[str, Any] | None,
    ) -> RunRecord:
        """Return the record of a run that takes up what another one has done."""
        now = self._ports.clock.now()
        timeout_s = plan.spec.limits.timeout_s or self._ports.settings.default_run_timeout_s
        return RunRecord(
            id=new_id(),
            tenant_id=source.tenant_id,
            user_id=subject.user_id,
            key_id=subject.key_id,
            workflow_id=source.workflow_id,
            workflow_version=source.workflow_version,
            workflow_name=source.workflow_name,
            spec_hash=source.spec_hash,
            inputs=source.inputs,
            created_at=now,
            deadline_at=now + timedelta(seconds=timeout_s),
            lane=source.lane,
            priority=source.priority,
            tags=source.tags,
            control=control,
            variables=source.variables,
            max_concurrency=source.max_concurrency,
            engine_format=source.engine_format,
            origin_run_id=source.id,
            origin_kind=kind,
            origin_checkpoint=checkpoint,
        )
