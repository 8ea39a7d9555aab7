"""The REST application over one container."""

import asyncio
from collections.abc import Collection, Iterable
from re import Pattern
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from agentflow import __version__
from agentflow.errors import AgentFlowError, Invalid
from agentflow.interfaces.rest import docs, problems, refusals, system
from agentflow.interfaces.rest.gate import Gate
from agentflow.interfaces.rest.middleware import MIDDLEWARE
from agentflow.interfaces.rest.openapi import OPEN
from agentflow.interfaces.rest.router import routes

DESCRIPTION = """Durable workflows of AI and data steps: one JSON specification in, a streamed, recoverable run out.

Send an API key (the owner's is in `<data-dir>/owner.key`) as `X-API-Key`, or an access token as `Authorization: Bearer`. Errors are RFC 9457 problem details."""


class UnknownRoute(Invalid):
    """A limit is set for a route that does not exist."""

    code, title = "UNKNOWN_ROUTE", "Unknown route"


def create_app(container: Any) -> FastAPI:
    """Return the application; ``container`` is an open ``bootstrap.container.Container``.

    Raises:
        UnknownRoute: a limit is set for a route that is not there.
    """
    app = _app(container, [*routes(), *docs.router.routes])
    app.state.doors = _doors(app.router.routes, app.state.traffic.routes)
    app.state.gate = Gate(container.runs.overload)
    return app


def create_probe_app(container: Any) -> FastAPI:
    """Return health and metrics alone, for a process that serves nothing else."""
    return _app(container, system.router.routes)


def _app(container: Any, served: Iterable[BaseRoute]) -> FastAPI:
    app = FastAPI(title="AgentFlow", version=__version__, description=DESCRIPTION, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.state.container = container
    app.state.stopping = asyncio.Event()
    app.state.traffic = container.identity.traffic
    app.state.doors, app.state.gate = [], None
    # Not include_router: it would match every request twice and keep no flat list.
    app.router.routes.extend(served)
    app.add_exception_handler(AgentFlowError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    for middleware, options in MIDDLEWARE:
        if (given := options(container.settings)) is not None:
            app.add_middleware(middleware, **given)
    return app


def _doors(served: Iterable[BaseRoute], limited: Collection[str]) -> list[tuple[str, Pattern[str], str]]:
    """Return those limited routes that are open to everybody, by method, pattern and name; the others are counted by user.

    Raises:
        UnknownRoute: a limit names a route that is not there.
    """
    known = {f"{method} {route.path}": route for route in served if isinstance(route, APIRoute) for method in route.methods or ()}
    if unknown := sorted(set(limited) - set(known)):
        raise UnknownRoute(
            f"AGENTFLOW_RATE_LIMIT_ROUTES names {unknown[0]}, which is no route of this server.",
            hint="Write method and path as docs/reference/http.md has them: POST /api/v1/workflows/{workflow}/execute=600",
        )
    return [(name.partition(" ")[0], known[name].path_regex, name) for name in limited if known[name].operation_id in OPEN]


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, AgentFlowError)  # noqa: S101 - what the handler is registered for
    refusals.note(request, error)
    return problems.problem_of(error, request.scope)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
    return problems.problem_of_validation(error, request.scope)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
    return problems.problem_of_http(error, request.scope, _methods(request.app.router.routes, request.scope["path"]))


def _methods(known: Iterable[BaseRoute], path: str) -> list[str]:
    """Return what methods an address understands: those of every route with the template that names most of it."""
    routes = [route for route in known if isinstance(route, APIRoute) and route.path_regex.match(path)]
    template = min(routes, key=lambda route: len(route.param_convertors)).path if routes else None
    return sorted(method for route in routes if route.path == template for method in route.methods or ())
