"""Reading request bodies: one strict JSON reader for every endpoint."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, UploadFile
from starlette.routing import Match
from starlette.types import Scope

from agentflow.errors import Invalid, Malformed, Unsupported
from agentflow.infra.scanner import Scanner
from agentflow.kit import json

FORM = "multipart/form-data"
"""Media type of a form with a file."""
BODY = "agentflow.body"
"""Key of the ASGI scope under which the middleware that bounds bodies leaves the whole body."""
REQUEST_ID = "agentflow.request_id"
"""Key of the ASGI scope that holds the request's id."""

SHOWN_PATH = 200
"""Longest path that an error message shows; beyond that it helps nobody."""
MAX_FIELDS = 100
"""Most fields that the object of a body may have; what a user's own objects hold stands deeper."""


class StrictRequest(Request):
    """A request whose JSON is read by our own parser, with its checks."""

    async def json(self) -> Any:
        """Return the body.

        Raises:
            Malformed: it is not JSON, or holds NaN, NUL, lone surrogates, too deep nesting, or a field twice.
        """
        body = await self.body()
        try:
            value = json.loads(body, max_depth=self.app.state.container.settings.max_json_depth, unique=True)
        except json.InvalidJson as error:
            where = f" at {error.path}" if 0 < len(error.path) < SHOWN_PATH else ""
            raise Malformed(f"The body is not acceptable JSON: {error}{where}.") from error
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            # Each unknown field becomes an error of its own: a million of them would cost more than the body that holds them.
            raise Invalid(f"The body has {len(value)} fields; no request has more than {MAX_FIELDS}.")
        return value


class StrictRoute(APIRoute):
    """A route that reads bodies strictly and refuses other media types."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route; most are not, by what their paths begin with, which is told without an expression."""
        if not scope["path"].startswith(self._begin):
            return Match.NONE, {}
        return super().matches(scope)

    @cached_property
    def _begin(self) -> str:
        return self.path.partition("{")[0]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route's handler."""
        handle = super().get_route_handler()
        reads_json = self.body_field is not None and not _is_form(self.body_field)

        async def strict(request: Request) -> Response:
            if reads_json:
                _require_json(request)
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


def media_type(request: Request) -> str:
    """Return what a request says it sends, in small letters and without parameters; empty where it does not say."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def file_of(request: Request, max_fields: int) -> AsyncIterator[tuple[UploadFile, FormData]]:
    """Give the part ``file`` of a form, and the form; both are closed afterwards.

    Raises:
        Malformed: the form was cut off, is none, or has no file, several, or too many fields.
        MalwareFound: the file holds something that the installation's scanner knows.
        ScannerUnavailable: the installation has one, and it gave no verdict.
    """
    # The parser takes a form that was cut off for one without its last part.
    if not (await request.body()).rstrip().endswith(b"--"):
        raise Malformed("The form is not complete.", hint="It ends with its boundary and two dashes.")
    async with request.form(max_files=1, max_fields=max_fields) as form:
        file = form.get("file")
        if file is None or isinstance(file, str):
            raise Malformed("The form has no file.", hint="Send the file as the part named file.")
        scanner: Scanner | None = request.app.state.container.scanner
        if scanner is not None:
            await scanner.scan(file.file)
        yield file, form


def slice_router(prefix: str, tag: str) -> APIRouter:
    """Return the router of a slice; every slice uses this one, so that all bodies are read the same way."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)


def _is_form(field: Any) -> bool:
    from fastapi.params import Form

    return isinstance(field.field_info, Form)


def _require_json(request: Request) -> None:
    header = request.headers.get("content-type")
    if header is None and not request.scope.get(BODY):
        return
    kind = (header or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Unsupported(
            f"This reads application/json, not {kind or 'a body without Content-Type'}.", hint="Set Content-Type: application/json."
        )
