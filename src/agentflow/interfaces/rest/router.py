"""What the API consists of: every slice's endpoints, in one flat list."""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute

from agentflow.artifacts import endpoints as artifacts
from agentflow.identity import endpoints as auth
from agentflow.interfaces.rest import catalogue, system
from agentflow.knowledge.collections import endpoints as collections
from agentflow.runtime.runs import endpoints as runs
from agentflow.runtime.runs import event_endpoints as run_events
from agentflow.runtime.runs import explanations as run_explanations
from agentflow.runtime.runs import interrupt_endpoints as interrupts
from agentflow.runtime.runs import retention_endpoints as run_retention
from agentflow.runtime.runs import time_travel_endpoints as time_travel
from agentflow.workflows.definitions import endpoints as workflows
from agentflow.workflows.definitions import graph_endpoints as workflow_graph
from agentflow.workflows.definitions import transfer_endpoints as workflow_transfer
from agentflow.workflows.definitions import version_endpoints as workflow_versions

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,  # first: starting and reading runs is what most requests do, and routes are tried in order
    run_events.router,
    run_explanations.router,
    interrupts.router,
    time_travel.router,
    run_retention.router,
    workflow_transfer.router,
    workflows.router,
    workflow_graph.router,
    workflow_versions.router,
    collections.router,
    artifacts.router,
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
