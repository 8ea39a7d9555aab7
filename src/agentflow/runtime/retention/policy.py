"""How long ended runs are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentflow.config.storage import StorageSettings


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept of the runs of a workflow.

    Attributes:
        max_age_days: days after their end; 0 for ever.
        max_runs: the newest so many; 0 for all.
        keep_failed: whether runs that failed or timed out are kept whatever their age and number.
    """

    max_age_days: float
    max_runs: int
    keep_failed: bool = False

    @classmethod
    def default(cls, settings: StorageSettings) -> "Policy":
        """Return the policy of workflows that set none."""
        return cls(settings.retention_max_age_days, settings.retention_max_runs)

    def overridden(self, stored: Mapping[str, Any]) -> "Policy":
        """Return this policy with what a workflow says of its own."""
        age, runs = stored.get("max_age_days"), stored.get("max_runs")
        return Policy(
            self.max_age_days if age is None else age,
            self.max_runs if runs is None else runs,
            bool(stored.get("keep_failed") or False),
        )
