"""``router``: chooses which branches a run takes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.nodes.control import deciders
from agentflow.nodes.fields import Text
from agentflow.spec.catalog import Target
from agentflow.spec.model import Identifier

Strategy: TypeAlias = Literal["conditions", "keywords", "pattern", "llm"]
To: TypeAlias = Identifier | Annotated[list[Identifier], Field(min_length=1)]
# What each strategy asks of every route.
_NEEDS: Mapping[Strategy, str] = {"conditions": "when", "keywords": "keywords", "pattern": "pattern", "llm": "description"}
DEFAULT = "default"


def _as_test(value: Any) -> Any:
    """Take what an expression yielded for true or false, as the expression language does: empty means false."""
    return value if isinstance(value, bool | str) else bool(value)


class Route(NodeConfig):
    """One way out."""

    to: To = Field(description='Node to go to, several for parallel branches, or "end".', examples=["answer"])
    name: str | None = Field(
        default=None, min_length=1, max_length=100, description="Name in the output; by default the target.", examples=["found"]
    )
    when: Annotated[bool | str | None, BeforeValidator(_as_test)] = Field(
        default=None,
        description="`conditions`: expression that chooses this route when true.",
        examples=["nodes.search.matches | length > 0"],
        json_schema_extra={"x-expression": True},
    )
    keywords: list[Annotated[str, Field(min_length=1)]] | None = Field(
        default=None,
        min_length=1,
        description="`keywords`: words or phrases; any of them in the input chooses this route, whatever their case.",
        examples=[["refund", "money back"]],
    )
    pattern: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(deciders.checked_pattern)] | None = Field(
        default=None,
        description="`pattern`: regular expression (RE2 syntax) searched for in the input.",
        examples=["(?i)order #[0-9]+"],
    )
    description: str | None = Field(
        default=None, min_length=1, description="`llm`: when the model shall choose this route.", examples=["The user asks for a refund."]
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """The nodes the route leads to."""
        return (self.to,) if isinstance(self.to, str) else tuple(self.to)

    @property
    def label(self) -> str:
        """The route's name in the output."""
        return self.name or "+".join(self.targets)


class RouterConfig(NodeConfig):
    """Settings of ``router``."""

    strategy: Strategy = Field(
        default="conditions",
        description=(
            "How to choose: `conditions` tests each route's `when`, `keywords` and `pattern` look into `input`, `llm` asks a model "
            "which route's `description` fits `input`."
        ),
        examples=["conditions"],
    )
    routes: list[Route] = Field(
        min_length=1,
        description="The ways out, tried in order.",
        examples=[[{"when": "nodes.search.matches | length > 0", "to": "answer"}]],
    )
    default: To | None = Field(default=None, description="Where to go when no route matches.", examples=["apology"])
    input: Text | None = Field(
        default=None,
        description="The text that `keywords`, `pattern` and `llm` look at; a template.",
        examples=["{{ inputs.message }}"],
    )
    multiple: bool = Field(default=False, description="Take every matching route instead of the first.", examples=[False])

    @model_validator(mode="after")
    def _complete(self) -> "RouterConfig":
        need = _NEEDS[self.strategy]
        for index, route in enumerate(self.routes):
            if need not in route.model_fields_set:
                raise ValueError(f"routes.{index} needs {need}, for the strategy is {self.strategy}")
        if self.strategy != "conditions" and self.input is None:
            raise ValueError(f"the strategy {self.strategy} needs input")
        leads: dict[str, tuple[str, ...]] = {DEFAULT: self.default_targets}
        for route in self.routes:
            if leads.setdefault(route.label, route.targets) != route.targets:
                raise ValueError(f"two routes are called {route.label}; give them different names")
        return self

    @property
    def default_targets(self) -> tuple[str, ...]:
        """Where to go when no route matches."""
        return () if self.default is None else (self.default,) if isinstance(self.default, str) else tuple(self.default)


class RouterOutput(NodeOutput):
    """What ``router`` decided."""

    route: str = Field(description="Name of the first route taken, or `default`.", examples=["answer"])
    reason: str = Field(description="Why.", examples=["its condition is true"])
    routes: list[str] = Field(description="Names of all routes taken.", examples=[["answer"]])


class RouterNode(NodeType[RouterConfig]):
    """Chooses branches; those not chosen are not waited for."""

    type = "router"
    title = "Router"
    description = "Chooses branches by conditions, keywords, a pattern, or a language model's judgement."
    category = "control"
    icon = "split"
    config_model = RouterConfig
    output_model = RouterOutput
    source_kinds = frozenset({"llm"})
    example = {
        "id": "enough",
        "type": "router",
        "config": {"routes": [{"when": "nodes.search.matches | length > 0", "to": "answer"}], "default": "apology"},
    }

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Tell that a source is never required: without one the local model judges."""
        return False

    def targets(self, config: Mapping[str, Any]) -> Sequence[Target]:
        """Return the targets of all routes and of the default, with their places."""
        routes = config.get("routes")
        found = [
            target
            for index, route in enumerate(routes if isinstance(routes, list) else ())
            if isinstance(route, Mapping)
            for target in _targets(route.get("to"), ("routes", index, "to"))
        ]
        return [*found, *_targets(config.get("default"), ("default",))]

    def has_default(self, config: Mapping[str, Any]) -> bool:
        """Tell whether there is a default."""
        return config.get("default") is not None

    def chosen(self, config: RouterConfig, output: Any) -> frozenset[str]:
        """Return the nodes behind the routes that the output names."""
        leads = {route.label: route.targets for route in config.routes} | {DEFAULT: config.default_targets}
        return frozenset(target for name in output["routes"] for target in leads[name])

    async def run(self, context: NodeContext, config: RouterConfig) -> RouterOutput:
        """Choose.

        Raises:
            NodeError: ``NO_ROUTE`` when nothing matches and there is no default; the errors of the model for ``llm``.
        """
        choice = await _decide(context, config)
        indices, reason = (choice.indices if config.multiple else choice.indices[:1]), choice.reason
        if not indices and config.default is None:
            raise NodeError("No route matches and there is no default.", error_code="NO_ROUTE", hint="Give the router a default.")
        names = list(dict.fromkeys(config.routes[index].label for index in indices)) or [DEFAULT]
        return RouterOutput(route=names[0], reason=reason, routes=names)


async def _decide(context: NodeContext, config: RouterConfig) -> deciders.Choice:
    text = config.input or ""
    if config.strategy == "conditions":
        return deciders.by_condition([bool(route.when) for route in config.routes])
    if config.strategy == "keywords":
        return deciders.by_keywords(text, [route.keywords or () for route in config.routes])
    if config.strategy == "pattern":
        return deciders.by_pattern(text, [route.pattern or "" for route in config.routes])
    options = [(route.label, route.description or "") for route in config.routes]
    return await deciders.by_model(context, text, options, multiple=config.multiple, may_refuse=config.default is not None)


def _targets(to: Any, path: tuple[str | int, ...]) -> list[Target]:
    if isinstance(to, str):
        return [Target(to, path)]
    return [Target(item, (*path, index)) for index, item in enumerate(to if isinstance(to, list) else ()) if isinstance(item, str)]
