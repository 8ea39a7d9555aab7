"""Plans by the hash of their specification, kept in memory up to a bound."""

import hashlib
from collections import OrderedDict
from typing import Any

from sqlalchemy import select

from agentflow.compiler.formats import CURRENT, FORMATS
from agentflow.compiler.plan import Plan
from agentflow.errors import InvalidSpec
from agentflow.infra.db.engine import Database
from agentflow.kit import json
from agentflow.nodes.registry import NodeRegistry
from agentflow.runtime.records.models import RunSpecRow
from agentflow.runtime.records.records import RunRecord
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import WorkflowSpec


def spec_hash(document: Any) -> str:
    """Return the SHA-256 of a specification document, equal for equal JSON whatever the order of its keys."""
    return hashlib.sha256(json.canonical(document)).hexdigest()


class PlanCache:
    """Builds plans and keeps the most recently used ones; a compiled graph lives as long as its plan."""

    def __init__(self, database: Database, registry: NodeRegistry, renderer: Renderer, size: int) -> None:
        self._database = database
        self._registry = registry
        self._renderer = renderer
        self._size = size
        self._plans: OrderedDict[tuple[str, int], Plan] = OrderedDict()

    def find(self, digest: str, engine_format: int = CURRENT) -> Plan | None:
        """Return the plan of a specification that was used lately, or None."""
        plan = self._plans.get((digest, engine_format))
        if plan is not None:
            self._plans.move_to_end((digest, engine_format))
        return plan

    def build(self, digest: str, document: Any, engine_format: int = CURRENT) -> Plan:
        """Return the plan of a specification that validation found valid, made by the rules of an engine format.

        Raises:
            InvalidSpec: it needs a node type that is not installed.
        """
        plan = self.find(digest, engine_format)
        if plan is None:
            plan = FORMATS[engine_format](WorkflowSpec.model_validate(document), self._registry, self._renderer)
            self._plans[digest, engine_format] = plan
            while len(self._plans) > self._size:
                self._plans.popitem(last=False)
        return plan

    async def of_run(self, run: RunRecord) -> Plan:
        """Return the plan that a run is pinned to.

        Raises:
            InvalidSpec: the specification is gone, or needs a node type that is not installed.
        """
        plan = self.find(run.spec_hash, run.engine_format)
        if plan is not None:
            return plan
        return self.build(run.spec_hash, await self.document(run), run.engine_format)

    async def document(self, run: RunRecord) -> Any:
        """Return the specification that a run is pinned to.

        Raises:
            InvalidSpec: it is gone.
        """
        async with self._database.reading() as session:
            document = await session.scalar(
                select(RunSpecRow.spec).where(RunSpecRow.tenant_id == run.tenant_id, RunSpecRow.spec_hash == run.spec_hash)
            )
        if document is None:
            raise InvalidSpec("The specification of this run is not in the database.")
        return document
