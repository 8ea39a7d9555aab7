"""Whether and when a failed node is tried again: a pure decision."""

from agentflow.errors import NodeError
from agentflow.spec.model import RetryPolicy


def next_wait_s(policy: RetryPolicy | None, attempt: int, error: NodeError, chance: float) -> float | None:
    """Return the seconds to wait before the attempt after ``attempt``, or None to give up.

    The wait grows by ``backoff`` from ``initial_interval_s`` up to ``max_interval_s``; a server's own wish (``Retry-After``) is honoured
    up to the same bound, and never undercut. ``chance`` in 0..1 spreads the waits by ``jitter``.
    """
    if policy is None or not error.retryable or attempt >= policy.max_attempts:
        return None
    wait = min(policy.initial_interval_s * policy.backoff ** (attempt - 1), policy.max_interval_s) * (1 + policy.jitter * (2 * chance - 1))
    if error.retry_after_s is None:
        return wait
    # Spread to the late side only: all who were told the same time would come back at the same moment.
    return max(wait, min(error.retry_after_s, policy.max_interval_s) * (1 + policy.jitter * chance))
