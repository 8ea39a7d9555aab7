"""What happens around every request; pure ASGI, one behaviour per file."""

from collections.abc import Callable, Mapping
from typing import Any

from agentflow.config.settings import Settings
from agentflow.interfaces.rest.middleware.body_limit import BodyLimit
from agentflow.interfaces.rest.middleware.correlation import Correlation
from agentflow.interfaces.rest.middleware.failures import Failures
from agentflow.interfaces.rest.middleware.observation import Observation
from agentflow.interfaces.rest.middleware.security_headers import SecurityHeaders
from agentflow.interfaces.rest.middleware.shedding import Shedding
from agentflow.interfaces.rest.middleware.tracing import Tracing


def _nothing(_settings: Settings) -> Mapping[str, Any]:
    return {}


MIDDLEWARE: tuple[tuple[Any, Callable[[Settings], Mapping[str, Any]]], ...] = (
    (BodyLimit, lambda settings: {"max_bytes": settings.max_body_bytes}),
    (Shedding, _nothing),
    (Failures, _nothing),
    (Observation, _nothing),
    (SecurityHeaders, _nothing),
    (Tracing, _nothing),
    (Correlation, _nothing),
)
"""Each behaviour with the arguments it takes from the settings, from the innermost to the outermost."""
