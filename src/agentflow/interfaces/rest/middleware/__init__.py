"""What happens around every request; pure ASGI, one behaviour per file."""

from starlette.types import ASGIApp

from agentflow.interfaces.rest.middleware.body_limit import BodyLimit
from agentflow.interfaces.rest.middleware.correlation import Correlation
from agentflow.interfaces.rest.middleware.failures import Failures
from agentflow.interfaces.rest.middleware.observation import Observation
from agentflow.interfaces.rest.middleware.security_headers import SecurityHeaders


def wrap(app: ASGIApp, *, max_body_bytes: int) -> ASGIApp:
    """Return ``app`` with every behaviour around it; the outermost comes last."""
    app = BodyLimit(app, max_body_bytes)
    app = Failures(app)
    app = Observation(app)
    app = SecurityHeaders(app)
    return Correlation(app)
