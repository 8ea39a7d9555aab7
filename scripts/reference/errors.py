"""docs/reference/errors.md."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import agentflow
from agentflow.errors import AgentFlowError
from agentflow.interfaces.rest.problems import STATUS
from agentflow.spec.problems import Code
from scripts.reference.text import code, member_docs, page, table

SOURCE = Path(agentflow.__file__).parent


def render() -> str:
    """Return the page."""
    return page(
        "Errors",
        "Every refusal of the API is `application/problem+json` (RFC 9457): `type` is `urn:agentflow:error:CODE`, `title` the same for every "
        "occurrence, `detail` what happened this time, `hint` the way out, `instance` the request id, and `errors` the single problems where "
        "there are several.",
        "## Requests\n\n" + table(("code", "status", "title", "means"), _requests()),
        "## Specifications\n\nProblems that validation finds, all of them in one answer.\n\n"
        + table(("code", "means"), ([code(name), text] for name, text in member_docs(Code).items())),
        "## Nodes and runs\n\nWhy a node or a run failed: `error.code` of the run.\n\n"
        + table(("code", "message", "way out"), ([code(name), *said] for name, said in sorted(node_errors().items()))),
    )


def _requests() -> Iterator[list[str]]:
    for error in sorted(request_errors(), key=lambda error: (STATUS[error.kind], error.code)):
        yield [code(error.code), str(int(STATUS[error.kind])), error.title, inspect.cleandoc(error.__doc__ or "").splitlines()[0]]


def request_errors() -> list[type[AgentFlowError]]:
    """Return every error of the product that a request can end with, one for each code."""
    for module in pkgutil.walk_packages(agentflow.__path__, "agentflow."):
        importlib.import_module(module.name)
    found: dict[str, type[AgentFlowError]] = {}
    pending = [AgentFlowError]
    while pending:
        for error in pending.pop().__subclasses__():
            if error.__module__.startswith("agentflow."):
                found.setdefault(error.code, error)
                pending.append(error)
    return list(found.values())


def node_errors() -> dict[str, tuple[str, str]]:
    """Return the codes that nodes and runs fail with, each with its message and hint as the code words them."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call):
                _note(call, found)
    return found


def _note(call: ast.Call, found: dict[str, tuple[str, str]]) -> None:
    words = {word.arg: word.value for word in call.keywords if word.arg}
    name = words.get("error_code")
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        message = _text(call.args[0]) if call.args else ""
        found.setdefault(name.value, (message, _text(words["hint"]) if "hint" in words else ""))


def _text(node: ast.expr) -> str:
    """Return the text of a literal, with … for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"
