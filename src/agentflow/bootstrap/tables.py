"""Every table of the control database: importing this fills the metadata that migrations compare with."""

# ruff: noqa: F401 - imported for their tables

import agentflow.artifacts.models
import agentflow.identity.models
import agentflow.infra.audit.models
import agentflow.infra.idempotency.models
import agentflow.infra.keys.models
import agentflow.infra.signatures.models
import agentflow.knowledge.collections.models
import agentflow.llm.models
import agentflow.runtime.checkpoints.models
import agentflow.runtime.records.models
import agentflow.secrets.models
import agentflow.sources.connections.models
import agentflow.variables.models
import agentflow.workflows.definitions.models
import agentflow.workflows.sharing.models
import agentflow.workflows.versions.models
from agentflow.infra.db.base import Base

METADATA = Base.metadata
