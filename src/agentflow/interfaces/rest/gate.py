"""Turns starts of runs away while the server is overloaded, as soon as their heads are read."""

import time

from starlette.responses import Response
from starlette.types import Scope

from agentflow.endpoints.requests import REQUEST_ID
from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest.middleware.correlation import request_id_of
from agentflow.interfaces.rest.middleware.observation import observe
from agentflow.interfaces.rest.middleware.security_headers import with_security
from agentflow.interfaces.rest.middleware.shedding import ENTRY, Entry, decide, is_start
from agentflow.interfaces.rest.problems import problem_of
from agentflow.runtime.runs.overload import Overload, Start


class Gate:
    """Decides on starts before they are tasks: what is turned away here waits for nobody's turn and does not go through the application."""

    def __init__(self, overload: Overload) -> None:
        self._overload = overload

    def look(self, scope: Scope) -> Response | Start | None:
        """Decide on a request whose head has come.

        Returns:
            The answer that turns it away; or the start that it is, for the caller to end with the request; or None for what goes on and is
            no start. A refusal for a page of another origin goes on too, because its answer needs headers that are made further inside:
            ``Shedding`` answers it there.
        """
        began = time.perf_counter()
        entry: Entry = decide(scope, self._overload) if is_start(scope) else None
        scope[ENTRY] = entry
        if not isinstance(entry, AgentFlowError):
            return entry
        if any(name == b"origin" for name, _ in scope["headers"]):
            return None
        answer = _answer(entry, scope)
        observe(scope, answer.status_code, time.perf_counter() - began)
        return answer


def arrived(scope: Scope) -> None:
    """Note that a request which the gate has seen is complete."""
    if isinstance(entry := scope.get(ENTRY), Start):
        entry.arrived()


def _answer(error: AgentFlowError, scope: Scope) -> Response:
    request_id = request_id_of(scope)
    scope[REQUEST_ID] = request_id.decode()
    answer = problem_of(error, scope)
    answer.raw_headers = [*with_security(answer.raw_headers, scope), (b"x-request-id", request_id)]
    return answer
