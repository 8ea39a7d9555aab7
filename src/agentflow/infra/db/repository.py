"""The base of repositories: every query names its tenant, or there is no query."""

from typing import Any, TypeVar

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from agentflow.infra.db.base import TenantOwned
from agentflow.kit import json

M = TypeVar("M", bound=TenantOwned)
Q = TypeVar("Q", bound=Select[Any])


class UnscopedQuery(RuntimeError):
    """A query was about to run without a tenant: a fault of ours, never of a caller."""


def scoped(model: type[M], tenant_id: str | None) -> Select[M]:
    """Begin a query over one tenant's rows of ``model``.

    Raises:
        UnscopedQuery: there is no tenant.
    """
    return narrowed(select(model), model, tenant_id)


def narrowed(query: Q, model: type[M], tenant_id: str | None) -> Q:
    """Leave one tenant's rows of ``model`` in a query that was built before.

    Raises:
        UnscopedQuery: there is no tenant.
    """
    if not tenant_id:
        raise UnscopedQuery(f"a query over {model.__name__} names no tenant")
    return query.where(model.tenant_id == tenant_id)


def has_label(column: InstrumentedAttribute[Any], label: str) -> ColumnElement[bool]:
    """Match rows whose column, a JSON list of texts, holds ``label``: it stands there as a whole, in quotes."""
    return cast(column, Text).contains(json.dumps(label), autoescape=True)


def holds_text(column: InstrumentedAttribute[Any], text: str) -> ColumnElement[bool]:
    """Match rows whose text column holds ``text``, whatever the case."""
    return func.lower(column).contains(text.lower(), autoescape=True)
