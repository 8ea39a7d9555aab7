"""The failures of an HTTP call in the words of a node."""

import ssl

import httpx

from agentflow.errors import NodeError


def as_node_error(error: Exception, request: httpx.Request, timeout_s: float) -> NodeError:
    """Return what went wrong, without the query of the URL: it may hold a key."""
    place = f"{request.method} {request.url.scheme}://{request.url.netloc.decode('ascii')}{request.url.path}"
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return NodeError(
            f"{place} gave no complete answer within {timeout_s:g} s.",
            error_code="HTTP_TIMEOUT",
            retryable=True,
            hint="Raise timeout_s, or ask the server for less.",
        )
    if _tls_cause(error) is not None:
        return NodeError(
            f"{place}: the server's certificate or TLS set-up is not acceptable: {_tls_cause(error)}",
            error_code="HTTP_TLS",
            hint="Repair the certificate; for a test system, set verify_tls to false.",
        )
    if isinstance(error, httpx.ConnectError):
        return NodeError(
            f"{place}: no connection.", error_code="HTTP_CONNECT", retryable=True, hint="Check the host and port, and whether it runs."
        )
    # Our own request breaking the protocol will break it again; a connection that broke may hold the next time.
    ours = isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL | httpx.UnsupportedProtocol)
    return NodeError(f"{place}: {error or type(error).__name__}", error_code="HTTP_PROTOCOL", retryable=not ours)


def header_refused(name: str, reason: str) -> NodeError:
    """Return the error of a header that is not sent."""
    return NodeError(f"The header {name!r} cannot be sent: {reason}.", error_code="HTTP_HEADER", hint="Remove or correct the header.")


def _tls_cause(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
