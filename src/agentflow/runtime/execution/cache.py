"""The outputs of nodes with a ``cache`` policy."""

import hashlib
from typing import Any

import structlog
from sqlalchemy import select

from agentflow.infra.objects.base import ObjectMissing, ObjectStoreUnavailable
from agentflow.kit import json
from agentflow.nodes.context import ResolvedSource
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.models import NodeCacheRow
from agentflow.spec.model import Node

log = structlog.get_logger(__name__)


class NodeCache:
    """Cached outputs of one tenant; keyed by node type, rendered config and source."""

    def __init__(self, tenant_id: str, ports: Ports) -> None:
        self._tenant_id = tenant_id
        self._ports = ports

    def key(self, node: Node, config: Any, source: ResolvedSource | None) -> str:
        """Return the key of a node's output; the source's settings are in it only as part of the hash."""
        identity = [node.type, config, None if source is None else [source.kind, dict(source.config)]]
        return hashlib.sha256(json.canonical(identity)).hexdigest()

    async def find(self, key: str) -> tuple[bool, Any]:
        """Return whether a live output is kept for ``key``, and the output."""
        now = self._ports.clock.now().timestamp()
        async with self._ports.database.reading() as session:
            row = (
                await session.execute(
                    select(NodeCacheRow.output, NodeCacheRow.output_ref).where(
                        NodeCacheRow.tenant_id == self._tenant_id, NodeCacheRow.key == key, NodeCacheRow.expires_at > now
                    )
                )
            ).one_or_none()
        if row is None:
            return False, None
        if row.output_ref is None:
            return True, row.output
        try:
            return True, await self._ports.values.get(row.output_ref)
        except (ObjectMissing, ObjectStoreUnavailable) as error:
            log.warning("a cached output could not be read; the node runs", key=key, error=error.message)
            return False, None

    def put(self, journal: RunJournal, key: str, output: Any, ttl_s: float) -> None:
        """Keep an output for ``ttl_s`` seconds; durable together with the node run."""
        expires_at = self._ports.clock.now().timestamp() + ttl_s
        row = {"tenant_id": self._tenant_id, "key": key, "output": output, "output_ref": None, "expires_at": expires_at}
        journal.add(self._ports.statements.put_cache, row)
