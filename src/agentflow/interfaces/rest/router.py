"""What the API consists of: every slice's endpoints, in one flat list."""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute

from agentflow.identity import endpoints as auth
from agentflow.interfaces.rest import catalogue, system
from agentflow.runtime.runs import endpoints as runs
from agentflow.runtime.runs import event_endpoints as run_events

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,  # first: starting and reading runs is what most requests do, and routes are tried in order
    run_events.router,
    catalogue.router,
    auth.router,
    system.router,
)


def routes() -> Iterator[APIRoute]:
    """Yield every route of the API."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101 - slices make their routers with `slice_router`
            yield route
