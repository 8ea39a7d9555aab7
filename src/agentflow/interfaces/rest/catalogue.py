"""REST: the node types of this installation and the schema of specifications."""

from functools import lru_cache
from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agentflow.endpoints.answers import JsonAnswer, encode
from agentflow.endpoints.lists import PageOf
from agentflow.endpoints.requests import slice_router
from agentflow.errors import NotFound
from agentflow.identity.auth import NodeTypesRead
from agentflow.nodes.base import NodeType
from agentflow.nodes.registry import NodeRegistry
from agentflow.spec.effects import EffectClass
from agentflow.spec.schema import spec_json_schema

router = slice_router("/api/v1", "node types")


class NodeTypeNotFound(NotFound):
    """No node type of this name is installed."""

    code, title = "NODE_TYPE_NOT_FOUND", "Node type not found"


class NodeTypeInfo(BaseModel):
    """One node type."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Name in specifications.", examples=["transform"])
    title: str = Field(description="Name for people.", examples=["Transform"])
    description: str = Field(description="What it does.", examples=["Builds a value from expressions."])
    category: str = Field(description="Group in the editor.", examples=["data"])
    icon: str = Field(description="Name of a Lucide icon.", examples=["braces"])
    effect: EffectClass = Field(description="What may happen to it after a crash, unless its config says otherwise.", examples=["pure"])
    source_kinds: list[str] = Field(description="Kinds of source it can use.", examples=[["llm"]])
    config_schema: dict[str, Any] = Field(description="JSON Schema of its config.", examples=[{"type": "object"}])
    output_schema: dict[str, Any] = Field(description="JSON Schema of its output; empty when anything may come out.", examples=[{}])
    example: dict[str, Any] = Field(
        description="One valid node.", examples=[{"id": "greet", "type": "transform", "config": {"value": "Hello"}}]
    )


def _info(item: NodeType[Any]) -> NodeTypeInfo:
    return NodeTypeInfo(
        type=item.type,
        title=item.title,
        description=item.description,
        category=item.category,
        icon=item.icon,
        effect=item.effect_class,
        source_kinds=sorted(item.source_kinds),
        config_schema=dict(item.config_schema),
        output_schema=dict(item.output_schema(item.example.get("config", {}))),
        example=dict(item.example),
    )


@router.get("/node-types", operation_id="list_node_types", summary="List node types", response_model=PageOf[NodeTypeInfo])
async def list_node_types(request: Request, _subject: NodeTypesRead) -> Response:
    """Return every installed node type with the schemas of its config and output, and an example."""
    registry: NodeRegistry = request.app.state.container.registry
    return JsonAnswer({"items": [_info(item) for item in registry.all()], "next_cursor": None})


@router.get("/node-types/{type}", operation_id="get_node_type", summary="Get a node type", response_model=NodeTypeInfo)
async def get_node_type(
    request: Request,
    _subject: NodeTypesRead,
    type: Annotated[str, Path(description="Name of the type.", max_length=100, examples=["transform"])],  # noqa: A002 - the path's name
) -> Response:
    """Return one node type."""
    registry: NodeRegistry = request.app.state.container.registry
    found = registry.find(type)
    if found is None:
        raise NodeTypeNotFound(f"There is no node type {type}.", hint=f"There are {', '.join(registry.names())}.")
    return JsonAnswer(_info(found))


@lru_cache(maxsize=1)
def spec_schema(registry: NodeRegistry) -> bytes:
    """Return the JSON Schema (2020-12) of specifications with the configs of these node types, encoded."""
    return encode(spec_json_schema(registry))


@router.get(
    "/spec/schema",
    operation_id="get_spec_schema",
    summary="Schema of specifications",
    response_class=Response,
    responses={200: {"content": {"application/schema+json": {"schema": {"type": "object"}, "example": {"type": "object"}}}}},
)
async def get_spec_schema(request: Request, _subject: NodeTypesRead) -> Response:
    """Return the JSON Schema (2020-12) of specifications: what editors complete and check with."""
    return Response(spec_schema(request.app.state.container.registry), media_type="application/schema+json")
