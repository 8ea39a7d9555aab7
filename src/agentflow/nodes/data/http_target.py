"""Where an ``http`` node's request goes and what it carries: its URL, its body, and the credentials of its source."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.nodes.context import ResolvedSource


class _Auth(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class BearerAuth(_Auth):
    """A token in the header ``Authorization``."""

    type: Literal["bearer"]
    token: str = Field(min_length=1, description="The token.", examples=["{{ secrets.SHOP_TOKEN }}"])


class BasicAuth(_Auth):
    """A user name and password in the header ``Authorization``."""

    type: Literal["basic"]
    username: str = Field(description="The user name.", examples=["robot"])
    password: str = Field(description="The password.", examples=["{{ secrets.SHOP_PASSWORD }}"])


class ApiKeyAuth(_Auth):
    """A key in a header or query parameter of its own."""

    type: Literal["api_key"]
    name: str = Field(default="X-API-Key", min_length=1, description="Name of the header or parameter.", examples=["X-API-Key"])
    value: str = Field(min_length=1, description="The key.", examples=["{{ secrets.SHOP_KEY }}"])
    in_: Literal["header", "query"] = Field(default="header", alias="in", description="Where the key goes.", examples=["header"])


class HttpSource(BaseModel):
    """Settings of a source of kind ``http``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str = Field(
        min_length=1, description="Where all URLs of the source begin; nodes cannot leave it.", examples=["https://api.example.com/v1"]
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers of every request.", examples=[{"accept": "application/json"}]
    )
    auth: Annotated[BearerAuth | BasicAuth | ApiKeyAuth, Field(discriminator="type")] | None = Field(
        default=None,
        description="`bearer` with `token`, `basic` with `username` and `password`, or `api_key` with `value`, `name` and `in`.",
        examples=[{"type": "bearer", "token": "{{ secrets.SHOP_TOKEN }}"}],  # nosec B105 - names a secret
    )


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL with what its source adds; ``credentials`` and ``params`` win over what the node sets."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    params: dict[str, str] = field(default_factory=dict, repr=False)


def resolve(source: ResolvedSource | None, url: str) -> Destination:
    """Return where a node's URL leads.

    Raises:
        NodeError: ``HTTP_SOURCE`` when the source's settings are not valid; ``HTTP_URL`` when the URL leads out of the source.
    """
    if source is None:
        return Destination(url)
    try:
        settings = HttpSource.model_validate(source.config)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise NodeError(
            f"The settings of source {source.id} are not valid: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            error_code="HTTP_SOURCE",
            hint="A source of kind http has base_url, headers and auth (bearer, basic or api_key).",
        ) from error
    credentials, params = _credentials(settings)
    headers = {name.lower(): value for name, value in settings.headers.items()}
    return Destination(_joined(settings.base_url, url, source.id), headers, credentials, params)


def _joined(base: str, url: str, source_id: str) -> str:
    """Put a path below a base URL; what the source may reach ends there, for its credentials go along."""
    import httpx

    try:
        root = httpx.URL(base.rstrip("/") + "/")
        full = httpx.URL(url) if "://" in url else httpx.URL(str(root) + url.removeprefix("/"))
    except (httpx.InvalidURL, UnicodeError) as error:
        raise NodeError(f"The URL cannot be read: {error}.", error_code="HTTP_URL", hint="Write a path, or https://host/path.") from error
    same_origin = (full.scheme, full.host, full.port) == (root.scheme, root.host, root.port)
    plain = full.path.replace("\\", "/").split("/")
    if not same_origin or ".." in plain or not (full.path + "/").startswith(root.path):
        raise NodeError(
            f"The URL leads out of source {source_id}, whose credentials would go along.",
            error_code="HTTP_URL",
            hint="Write a path below the source's base_url, or leave the source out.",
        )
    return str(full)


def _credentials(settings: HttpSource) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers and the query parameters that authenticate."""
    auth = settings.auth
    if isinstance(auth, BearerAuth):
        return {"authorization": f"Bearer {auth.token}"}, {}
    if isinstance(auth, BasicAuth):
        pair = b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        return {"authorization": f"Basic {pair}"}, {}
    if isinstance(auth, ApiKeyAuth):
        return ({auth.name.lower(): auth.value}, {}) if auth.in_ == "header" else ({}, {auth.name: auth.value})
    return {}, {}


def content(body: Any) -> tuple[dict[str, str], bytes | None]:
    """Return a request body with the header that says what it is."""
    if body is None:
        return {}, None
    if isinstance(body, str):
        return {"content-type": "text/plain; charset=utf-8"}, body.encode()
    return {"content-type": "application/json"}, json.dump_bytes(body)
