"""``http``: calls an HTTP API."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType, host_of, hosts_named
from agentflow.nodes.context import NodeContext, ResolvedSource
from agentflow.nodes.data import http_response, http_target
from agentflow.nodes.fields import Text
from agentflow.spec.catalog import HOSTS
from agentflow.spec.effects import EffectClass

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_SAFE = ("GET", "HEAD", "OPTIONS")
Scalar = bool | int | float | str | None


class HttpConfig(NodeConfig):
    """Settings of ``http``."""

    method: Method = Field(default="GET", description="HTTP method.", examples=["GET"])
    url: str = Field(
        min_length=1,
        max_length=16_384,
        description="URL to call; with a source of kind `http` it may be a path below the source's `base_url`.",
        examples=["https://api.example.com/orders/{{ inputs.order }}"],
    )
    headers: dict[str, Text] = Field(
        default_factory=dict, description="Request headers; credentials belong into a source.", examples=[{"accept": "application/json"}]
    )
    params: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Query parameters; a list repeats its name.", examples=[{"page": 1, "tag": ["a", "b"]}]
    )
    body: Any = Field(
        default=None,
        description="Request body: text is sent as it is, anything else as JSON; null sends none.",
        examples=[{"name": "{{ inputs.name }}"}],
    )
    timeout_s: float = Field(
        default=30.0, gt=0, le=3600, description="Seconds for the whole call, redirects and body included.", examples=[30]
    )
    follow_redirects: bool = Field(default=True, description="Follow up to five redirects.", examples=[True])
    verify_tls: bool = Field(default=True, description="Refuse a server whose certificate is not valid.", examples=[True])
    response: Literal["auto", "json", "text", "binary"] = Field(
        default="auto",
        description=(
            "How to read the body: `auto` goes by its content type (JSON that is broken becomes text), `json` fails unless it is JSON, "
            "`text` decodes it, `binary` gives `content_type`, `size` and `data` in base64."
        ),
        examples=["auto"],
    )
    fail_on_status: bool = Field(
        default=True,
        description="Fail on a status of 400 or more; 408, 425, 429 and 5xx may then be retried by the node's `retry`.",
        examples=[True],
    )
    max_bytes: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=5_000_000, description="Largest response body accepted, in bytes after decompression.", examples=[5_000_000]
    )


class HttpOutput(NodeOutput):
    """What ``http`` brings back."""

    status: int = Field(description="Status code.", examples=[200])
    headers: dict[str, str] = Field(description="Response headers by lower-case name.", examples=[{"content-type": "application/json"}])
    body: Any = Field(
        description="The body as JSON, as text, or as `content_type`, `size` and `data` (base64); null when empty.", examples=[{"id": 7}]
    )
    elapsed_ms: float = Field(description="Milliseconds from the first request to the last byte.", examples=[41.7])


class HttpNode(NodeType[HttpConfig]):
    """Calls an HTTP API behind the SSRF guard."""

    type = "http"
    title = "HTTP request"
    description = "Calls an HTTP API: any method, templated URL, headers and body, JSON or binary answers."
    category = "data"
    icon = "globe"
    config_model = HttpConfig
    output_model = HttpOutput
    source_kinds = frozenset({"http"})
    example = {"id": "fetch", "type": "http", "config": {"url": "https://api.example.com/orders/{{ inputs.order }}"}}

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Tell that a source is never required: a full URL needs none."""
        return False

    def effect(self, config: Mapping[str, Any]) -> EffectClass:
        """Return ``pure`` for methods that only read; a method from a template may be any."""
        return EffectClass.PURE if config.get("method", "GET") in _SAFE else EffectClass.KEYED

    def reaches(self, config: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """Return the host of the URL."""
        return {HOSTS: hosts_named(str(config.get("url", "")))}

    def outside(self, config: HttpConfig, source: ResolvedSource | None) -> str | None:
        """Return the host of the URL, or the source's."""
        if source is not None:
            return super().outside(config, source)
        return f"http:{host_of(config.url)}"

    async def run(self, context: NodeContext, config: HttpConfig) -> HttpOutput:
        """Send the request and read the answer.

        Raises:
            NodeError: ``HTTP_STATUS``, ``HTTP_BODY``, ``HTTP_SOURCE``, ``HTTP_URL``, or an error of the HTTP client.
        """
        target = http_target.resolve(context.source, config.url)
        headers, content = http_target.content(config.body)
        headers |= target.headers | {name.lower(): value for name, value in config.headers.items()}
        if config.method not in _SAFE:
            headers.setdefault("idempotency-key", context.key)
        response = await context.http.request(
            config.method,
            target.url,
            headers=headers | target.credentials,
            params={**config.params, **target.params},
            content=content,
            timeout_s=config.timeout_s,
            follow_redirects=config.follow_redirects,
            verify_tls=config.verify_tls,
            max_bytes=config.max_bytes,
        )
        if config.fail_on_status:
            http_response.check_status(config.method, target.url, response)
        return HttpOutput(
            status=response.status,
            headers=dict(response.headers),
            body=http_response.read(response, config.response),
            elapsed_ms=response.elapsed_ms,
        )
