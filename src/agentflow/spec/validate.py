"""Validation: every problem of a document in one answer. It runs nothing and opens no connection."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agentflow.config.limits import Limits
from agentflow.kit import json
from agentflow.kit.json import JsonValue
from agentflow.spec.catalog import NodeCatalog
from agentflow.spec.draft import Draft
from agentflow.spec.model import WorkflowSpec
from agentflow.spec.problems import Code, Problem
from agentflow.spec.reading import read
from agentflow.spec.rules import RULES
from agentflow.spec.rules.limits import exceeded, too_large
from agentflow.spec.tolerant import TolerantCatalog

MAX_PROBLEMS = 1_000
"""Problems in one answer; a document with more is told so by its last problem."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What validation found.

    Attributes:
        errors: problems that keep the workflow from running, in document order.
        warnings: problems it runs with, in document order.
        spec: the specification, when it is valid.
    """

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    spec: WorkflowSpec | None = None

    @property
    def valid(self) -> bool:
        """Whether the workflow can run."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """Return the result as it crosses the wire."""
        return {
            "valid": self.valid,
            "errors": [problem.to_json() for problem in self.errors],
            "warnings": [problem.to_json() for problem in self.warnings],
        }


def parse_and_validate(
    text: bytes | str,
    catalog: NodeCatalog,
    limits: Limits,
    secrets: Collection[str] | None = None,
    variables: Collection[str] | None = None,
    stored_sources: Mapping[str, str] | None = None,
) -> ValidationResult:
    """Validate a document given as text; text that is not JSON is a ``SCHEMA`` problem."""
    try:
        size = len(text if isinstance(text, bytes) else text.encode())
        if size > limits.max_body_bytes:
            return ValidationResult((exceeded("", f"The document has {size} bytes", "max_body_bytes", limits.max_body_bytes),))
        document = json.loads(text, max_depth=limits.max_json_depth)
    except (json.InvalidJson, UnicodeEncodeError) as error:
        return ValidationResult((_not_json(error, limits.max_json_depth, "max_json_depth"),))
    return validate(document, catalog, limits, secrets, variables, stored_sources)


def validate(
    document: JsonValue,
    catalog: NodeCatalog,
    limits: Limits,
    secrets: Collection[str] | None = None,
    variables: Collection[str] | None = None,
    stored_sources: Mapping[str, str] | None = None,
) -> ValidationResult:
    """Check any JSON value as a workflow specification; never raises for one.

    Args:
        document: the value.
        catalog: the node types of this installation.
        limits: how large things may be.
        secrets: names of the secrets there are; None leaves their existence unchecked.
        variables: names of the workspace's variables; None leaves their existence unchecked.
        stored_sources: kind by id of the sources that exist outside the document.
    """
    fatal = _fatal(document, limits)
    if fatal:
        return ValidationResult(tuple(fatal))
    draft = Draft(document, limits, TolerantCatalog(catalog), secrets, variables, stored_sources or {})
    read(draft)
    found = list(draft.problems)
    for rule in RULES:
        found.extend(rule(draft))
    problems = _ordered(document, found)
    errors = tuple(problem for problem in problems if not problem.code.is_warning)
    warnings = tuple(problem for problem in problems if problem.code.is_warning)
    return ValidationResult(_capped(errors), warnings[:MAX_PROBLEMS], None if errors else draft.spec)


def _fatal(document: JsonValue, limits: Limits) -> list[Problem]:
    """Return what makes it useless, or dangerous, to look further."""
    try:
        json.check(document, max_depth=limits.max_spec_depth)
        size = len(json.dump_bytes(document))
    except json.InvalidJson as error:
        return [_not_json(error, limits.max_spec_depth, "max_spec_depth")]
    except (TypeError, AttributeError) as error:
        return [Problem(Code.SCHEMA, f"This is not JSON: {error}.", "")]
    if not isinstance(document, dict):
        return [Problem(Code.SCHEMA, "A specification is a JSON object.", "", hint='Begin with {"name": …, "nodes": […]}.')]
    return too_large(document, size, limits)


def _not_json(error: Exception, depth: int, setting: str) -> Problem:
    path = getattr(error, "path", "")
    if "nested deeper" in str(error):
        return exceeded(path, "The document is nested too deeply", setting, depth)
    return Problem(Code.SCHEMA, f"This is not JSON that can be kept: {error}.", path)


def _ordered(document: JsonValue, found: list[Problem]) -> list[Problem]:
    """Sort by place in the document, and keep one problem of each code at each place."""
    unique = {(problem.path, problem.code, problem.message): problem for problem in found}
    positions: dict[int, dict[str, int]] = {}
    return sorted(unique.values(), key=lambda problem: _position(document, problem.path, positions))


def _position(document: JsonValue, path: str, positions: dict[int, dict[str, int]]) -> tuple[int, ...]:
    value, position = document, []
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            order = positions.get(id(value))
            if order is None:
                order = positions[id(value)] = {key: index for index, key in enumerate(value)}
            position.append(order.get(name, len(order)))
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            position.append(int(name))
            value = value[int(name)]
    return tuple(position)


def _capped(errors: tuple[Problem, ...]) -> tuple[Problem, ...]:
    if len(errors) <= MAX_PROBLEMS:
        return errors
    more = Problem(errors[MAX_PROBLEMS].code, f"There are {len(errors) - MAX_PROBLEMS + 1} more problems.", errors[MAX_PROBLEMS].path)
    return (*errors[: MAX_PROBLEMS - 1], more)
