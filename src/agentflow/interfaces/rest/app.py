"""The REST application over one container."""

import asyncio
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from agentflow import __version__
from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest import docs, problems, system
from agentflow.interfaces.rest.middleware import MIDDLEWARE
from agentflow.interfaces.rest.refusals import REFUSALS, Refusals
from agentflow.interfaces.rest.router import routes

DESCRIPTION = """Durable workflows of AI and data steps: one JSON specification in, a streamed, recoverable run out.

Send an API key (the owner's is in `<data-dir>/owner.key`) as `X-API-Key`, or an access token as `Authorization: Bearer`. Errors are RFC 9457 problem details."""


def create_app(container: Any) -> FastAPI:
    """Return the application; ``container`` is an open ``bootstrap.container.Container``."""
    return _app(container, [*routes(), *docs.router.routes])


def create_probe_app(container: Any) -> FastAPI:
    """Return health and metrics alone, for a process that serves nothing else."""
    return _app(container, system.router.routes)


def _app(container: Any, served: Iterable[BaseRoute]) -> FastAPI:
    app = FastAPI(title="AgentFlow", version=__version__, description=DESCRIPTION, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.state.container = container
    app.state.stopping = asyncio.Event()
    app.state.refusals = Refusals()
    # Not include_router: it would match every request twice and keep no flat list.
    app.router.routes.extend(served)
    app.add_exception_handler(AgentFlowError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    for middleware, options in MIDDLEWARE:
        app.add_middleware(middleware, **options(container.settings))
    return app


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, AgentFlowError)  # noqa: S101 - what the handler is registered for
    if error.kind in REFUSALS:
        await request.app.state.refusals.note(request, error)
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
