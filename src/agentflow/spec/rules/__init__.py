"""What makes a specification valid: one pure function a rule, listed here in the order they are asked."""

from collections.abc import Callable, Iterable

from agentflow.spec.draft import Draft
from agentflow.spec.problems import Problem
from agentflow.spec.rules import identifiers, limits, node_types, routers, shape, sources, start, texts, ways

Rule = Callable[[Draft], Iterable[Problem]]

RULES: tuple[Rule, ...] = (
    limits.totals,  # LIMIT_EXCEEDED
    limits.iterations,  # LIMIT_EXCEEDED
    limits.texts,  # LIMIT_EXCEEDED
    identifiers.duplicates,  # DUPLICATE_ID
    identifiers.reserved,  # SCHEMA
    start.starts,  # NO_START_NODE, UNKNOWN_START_NODE
    node_types.known_types,  # UNKNOWN_NODE_TYPE
    node_types.configs,  # INVALID_CONFIG
    node_types.input_schema,  # SCHEMA
    ways.dangling,  # DANGLING_EDGE
    ways.duplicates,  # DUPLICATE_EDGE
    ways.self_loops,  # SELF_LOOP
    ways.queues,  # QUEUE_WITHOUT_EDGE
    ways.compensations,  # INVALID_CONFIG
    shape.cycles,  # CYCLE
    shape.unreachable,  # UNREACHABLE_NODE
    shape.islands,  # DISCONNECTED_GRAPH
    sources.uses,  # UNKNOWN_SOURCE, SOURCE_KIND_MISMATCH
    sources.unused,  # UNUSED_SOURCE
    texts.texts,  # INVALID_EXPRESSION, INVALID_TEMPLATE, UNKNOWN_REFERENCE, MISSING_SECRET, TYPE_MISMATCH
    routers.defaults,  # ROUTER_WITHOUT_DEFAULT
)
