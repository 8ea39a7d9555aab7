"""What happens around every request; pure ASGI, one behaviour per file."""

from collections.abc import Callable, Mapping
from typing import Any

from agentflow.config.settings import Settings
from agentflow.interfaces.rest.middleware.body_limit import BodyLimit
from agentflow.interfaces.rest.middleware.client_address import ClientAddress
from agentflow.interfaces.rest.middleware.correlation import Correlation
from agentflow.interfaces.rest.middleware.cross_origin import CrossOrigin
from agentflow.interfaces.rest.middleware.failures import Failures
from agentflow.interfaces.rest.middleware.observation import Observation
from agentflow.interfaces.rest.middleware.own_writes import OwnWrites
from agentflow.interfaces.rest.middleware.rate_limits import RateLimits
from agentflow.interfaces.rest.middleware.security_headers import SecurityHeaders
from agentflow.interfaces.rest.middleware.shedding import Shedding
from agentflow.interfaces.rest.middleware.target import Target
from agentflow.interfaces.rest.middleware.tracing import Tracing


def _nothing(_settings: Settings) -> Mapping[str, Any]:
    return {}


def _cross_origin(settings: Settings) -> Mapping[str, Any] | None:
    return {"origins": settings.cors_origins} if settings.cors_origins else None


MIDDLEWARE: tuple[tuple[Any, Callable[[Settings], Mapping[str, Any] | None]], ...] = (
    (BodyLimit, lambda settings: {"max_bytes": settings.max_body_bytes}),
    (Shedding, _nothing),
    (OwnWrites, lambda settings: {} if settings.database_replica_url else None),
    (RateLimits, _nothing),
    (Target, lambda settings: {"hosts": settings.allowed_hosts}),
    (Failures, _nothing),
    (Observation, _nothing),
    (CrossOrigin, _cross_origin),
    (SecurityHeaders, _nothing),
    (Tracing, _nothing),
    (Correlation, _nothing),
    (ClientAddress, lambda settings: {"proxies": settings.trusted_proxies}),
)
"""Each behaviour with the arguments it takes from the settings (None: it is left out), from the innermost to the outermost."""
