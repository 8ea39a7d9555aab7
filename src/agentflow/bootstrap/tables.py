"""Every table of the control database: importing this fills the metadata that migrations compare with."""

import agentflow.runtime.journal.models
import agentflow.runtime.records.models  # noqa: F401 - imported for its tables
from agentflow.infra.db.base import Base

METADATA = Base.metadata
