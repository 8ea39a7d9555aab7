"""Judging specifications: what is wrong with one, and what it would use."""

import hashlib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

from agentflow.errors import InvalidSpec
from agentflow.kit import json
from agentflow.spec.problems import Code, Problem
from agentflow.spec.validate import ValidationResult
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.needs import NeedsOf

DRAWING = frozenset({Code.UNREACHABLE_NODE, Code.DISCONNECTED_GRAPH})
"""Problems that a graph has while it is drawn: a node is added before the edge that leads to it."""

MISSING = frozenset({Code.MISSING_SECRET, Code.UNKNOWN_SOURCE})
"""Problems that a foreign specification may have at first: what it names is not there yet."""

Check: TypeAlias = Callable[[Any], ValidationResult]
Validation: TypeAlias = Callable[[str], Awaitable[Check]]
"""Given a tenant, returns validation with the secrets, variables and sources that it has now."""


@dataclass(frozen=True, slots=True)
class Judges:
    """What is found out about a specification.

    Attributes:
        of_tenant: returns validation with what a tenant has.
        structure: validates without that.
        needs: tells what it would use.
    """

    of_tenant: Validation
    structure: Check
    needs: NeedsOf


def hash_of(spec: Document) -> str:
    """Return the SHA-256 of a specification."""
    return hashlib.sha256(json.canonical(spec)).hexdigest()


def checked(check: Check, spec: Document, *, but: Collection[Code] = ()) -> Document:
    """Return a specification that has no problems, apart from those of ``but``.

    Raises:
        InvalidSpec: with every problem.
    """
    errors = [problem for problem in check(spec).errors if problem.code not in but]
    if errors:
        raise invalid_spec(errors)
    return spec


def invalid_spec(errors: list[Problem]) -> InvalidSpec:
    """Return the error that carries the problems of a specification."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    return InvalidSpec(
        f"The specification has {count}; the first: {errors[0].message}",
        hint="Mend what `errors` lists; POST /api/v1/workflows/validate checks without saving.",
        errors=[problem.to_json() for problem in errors],
    )
