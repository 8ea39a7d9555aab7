"""Turning a node's source into settings with secrets filled in."""

from agentflow.errors import NodeError
from agentflow.infra.observability.redaction import Redactor
from agentflow.nodes.context import ResolvedSource
from agentflow.runtime.execution.ports import Ports
from agentflow.sources.connections.fill import filled
from agentflow.spec.model import WorkflowSpec


class SourceResolver:
    """The sources of one run: those of its specification, else those that its tenant has stored; each filled in when first used."""

    def __init__(self, tenant_id: str, spec: WorkflowSpec, ports: Ports) -> None:
        self._tenant_id = tenant_id
        self._sources = {source.id: source for source in spec.sources}
        self._ports = ports
        self._resolved: dict[str, ResolvedSource] = {}
        self.hidden = Redactor()
        """The secrets that the run has used: they must not stand in anything that it leaves behind."""

    async def resolve(self, source_id: str | None) -> ResolvedSource | None:
        """Return the source of this id, or None for None.

        Raises:
            NodeError: ``UNKNOWN_SOURCE``, ``MISSING_SECRET`` or ``SECRET_BROKEN``.
        """
        if source_id is None:
            return None
        if source_id not in self._resolved:
            source = self._sources.get(source_id) or await self._ports.sources(self._tenant_id, source_id)
            if source is None:
                raise NodeError(
                    f"There is no source {source_id}.",
                    error_code="UNKNOWN_SOURCE",
                    hint="Add it to the specification's sources, or store it: `agentflow sources set`.",
                )
            config, values = await filled(source.id, source.config, self._tenant_id, self._ports.secrets, self._ports.renderer)
            self.hidden.add(values)
            self._resolved[source_id] = ResolvedSource(source.id, source.kind, config)
        return self._resolved[source_id]
