"""What can go wrong with API keys."""

from agentflow.errors import Conflict, Forbidden, NotFound


class ApiKeyNotFound(NotFound):
    """There is no such key, or it is somebody else's."""

    code, title = "API_KEY_NOT_FOUND", "API key not found"


class ApiKeyRevoked(Conflict):
    """The key was revoked; it stays so."""

    code, title = "API_KEY_REVOKED", "API key revoked"


class ScopeNotHeld(Forbidden):
    """A key may not do what its maker may not."""

    code, title = "SCOPE_NOT_HELD", "Scope not held"
