"""The outputs of nodes with a ``cache`` policy."""

import hashlib
from typing import Any

from sqlalchemy import select

from agentflow.kit import json
from agentflow.nodes.context import ResolvedSource
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.models import NodeCacheRow
from agentflow.spec.model import Node


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
                    select(NodeCacheRow.output).where(
                        NodeCacheRow.tenant_id == self._tenant_id, NodeCacheRow.key == key, NodeCacheRow.expires_at > now
                    )
                )
            ).one_or_none()
        return (False, None) if row is None else (True, row.output)

    def put(self, journal: RunJournal, key: str, output: Any, ttl_s: float) -> None:
        """Keep an output for ``ttl_s`` seconds; durable together with the node run."""
        expires_at = self._ports.clock.now().timestamp() + ttl_s
        journal.add(
            self._ports.statements.put_cache, {"tenant_id": self._tenant_id, "key": key, "output": output, "expires_at": expires_at}
        )
