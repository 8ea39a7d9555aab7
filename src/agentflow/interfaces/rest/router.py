"""What the API consists of: every slice's endpoints, in one flat list."""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute

from agentflow.artifacts import endpoints as artifacts
from agentflow.audit import endpoints as audit
from agentflow.identity.accounts import device_endpoints as devices
from agentflow.identity.accounts import endpoints as auth
from agentflow.identity.accounts import jwks
from agentflow.identity.accounts import secret_endpoints as auth_secrets
from agentflow.identity.api_keys import endpoints as api_keys
from agentflow.identity.roles import endpoints as roles
from agentflow.identity.sessions import endpoints as sessions
from agentflow.identity.tenants import endpoints as tenants
from agentflow.identity.tenants import team_endpoints as teams
from agentflow.identity.users import endpoints as users
from agentflow.interfaces.rest import catalogue, system
from agentflow.knowledge.collections import endpoints as collections
from agentflow.runtime.runs import endpoints as runs
from agentflow.runtime.runs import event_endpoints as run_events
from agentflow.runtime.runs import explanations as run_explanations
from agentflow.runtime.runs import interrupt_endpoints as interrupts
from agentflow.runtime.runs import retention_endpoints as run_retention
from agentflow.runtime.runs import time_travel_endpoints as time_travel
from agentflow.runtime.runs import usage_endpoints as run_usage
from agentflow.secrets import endpoints as secrets
from agentflow.sources.connections import endpoints as sources
from agentflow.variables import endpoints as variables
from agentflow.workflows.definitions import endpoints as workflows
from agentflow.workflows.definitions import graph_endpoints as workflow_graph
from agentflow.workflows.definitions import version_endpoints as workflow_versions
from agentflow.workflows.sharing import endpoints as workflow_sharing
from agentflow.workflows.transfer import endpoints as workflow_transfer

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,  # first: starting and reading runs is what most requests do, and routes are tried in order
    run_events.router,
    run_explanations.router,
    interrupts.router,
    time_travel.router,
    run_retention.router,
    run_usage.router,
    workflow_transfer.router,
    workflows.router,
    workflow_graph.router,
    workflow_versions.router,
    workflow_sharing.router,
    collections.router,
    artifacts.router,
    secrets.router,
    variables.router,
    sources.router,
    audit.router,
    catalogue.router,
    auth.router,
    auth_secrets.router,
    sessions.router,
    devices.router,
    api_keys.router,
    users.router,
    roles.router,
    tenants.router,
    teams.router,
    jwks.router,
    system.router,
)


def routes() -> Iterator[APIRoute]:
    """Yield every route of the API."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101 - slices make their routers with `slice_router`
            yield route
