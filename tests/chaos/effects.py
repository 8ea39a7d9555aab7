"""Node types whose effects are written down outside the program, one per effect class, and the book that holds them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.context import NodeContext
from agentflow.spec.effects import EffectClass


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened in the outside world, or the run of a node that has no effect.

    Attributes:
        kind: effect class of the node.
        run_id: the run.
        node: key of the node, as ``each[3]/step``.
        key: its idempotency key.
        value: what it gave.
    """

    kind: EffectClass
    run_id: str
    node: str
    key: str
    value: Any = None


@dataclass
class Book:
    """The outside world: it remembers every effect, and lives on when a process dies."""

    effects: list[Effect] = field(default_factory=list)
    watch: Callable[[str, bool], None] | None = None
    """Told before and after an effect happens."""

    def note(self, effect: Effect) -> None:
        """Let an effect happen. One that is transactional leaves its mark with it: it happens once for a key."""
        if effect.kind is EffectClass.TRANSACTIONAL and any(known.key == effect.key for known in self.effects):
            return
        if self.watch is not None:
            self.watch(f"effect {effect.kind}", False)
        self.effects.append(effect)
        if self.watch is not None:
            self.watch(f"effect {effect.kind}", True)


class EffectConfig(NodeConfig):
    """What an effect node does, in this order: works, fails if it is to, has its effect, works on."""

    value: Any = None
    seconds: float = 0.0
    fail_times: int = 0


class _EffectNode(NodeType[EffectConfig]):
    category = "control"
    icon = "flask-conical"
    config_model = EffectConfig

    def __init__(self, book: Book) -> None:
        self.book = book

    async def run(self, context: NodeContext, config: EffectConfig) -> Any:
        await asyncio.sleep(config.seconds)
        if context.attempt <= config.fail_times:
            raise NodeError("The node was told to fail.", error_code="TOLD", retryable=True, hint="Lower fail_times.")
        self.book.note(Effect(self.effect_class, context.run_id, context.node_id, context.key, config.value))
        await asyncio.sleep(config.seconds)
        return config.value


def effect_nodes(book: Book) -> list[NodeType[Any]]:
    """Return a node type for each effect class, called ``pure_effect`` and so on."""
    return [_node_type(effect)(book) for effect in EffectClass]


def _node_type(effect: EffectClass) -> type[_EffectNode]:
    name = f"{effect.value}_effect"

    class Made(_EffectNode):
        type: ClassVar[str] = name
        title: ClassVar[str] = name
        description: ClassVar[str] = name
        effect_class = effect
        example: ClassVar[dict[str, Any]] = {"id": "a", "type": name, "config": {}}

    return Made
