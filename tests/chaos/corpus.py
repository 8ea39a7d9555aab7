"""The workflows whose every write is a crash point: all forms of control flow, all effect classes, and what a client may do meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentflow.runtime.runs.schemas import RunStart
from tests.runtime.support import spec_of, transform


@dataclass(frozen=True)
class Submission:
    """A run that a client asks for.

    Attributes:
        key: its idempotency key.
        spec: what runs.
        inputs: the inputs.
        at_s: seconds after the client began.
        cancel_at_s: when the client asks for its cancellation, or None.
        twins: how often the client asks for it at the same moment.
        fickle: whether the client hangs up after every event, and comes back for the next.
        options: where it shall stop for a person.
    """

    key: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    at_s: float = 0.0
    cancel_at_s: float | None = None
    twins: int = 1
    fickle: bool = False
    options: RunStart | None = None


@dataclass(frozen=True)
class Case:
    """One entry of the corpus.

    Attributes:
        name: for reports and coordinates.
        submissions: what the client asks for.
        stored: workflows that are called by name.
    """

    name: str
    submissions: Sequence[Submission]
    stored: Mapping[str, Any] = field(default_factory=dict)


def effect(kind: str, node_id: str, value: Any = None, *, policy: Mapping[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    """Return a node of one effect class."""
    return {"id": node_id, "type": f"{kind}_effect", "config": {"value": value, **config}, **(policy or {})}


def _flows(kind: str) -> dict[str, dict[str, Any]]:
    """Return every form of control flow around nodes of one effect class."""
    e = lambda *a, **k: effect(kind, *a, **k)  # noqa: E731 - one letter keeps the shapes readable
    item = {"type": f"{kind}_effect", "config": {"value": "{{ item * 2 }}", "seconds": 0.004}}
    retry = {"retry": {"max_attempts": 3, "initial_interval_s": 0.5}}
    return {
        "chain": spec_of(
            [transform("a", 1), e("b", "{{ nodes.a + 1 }}"), e("c", "{{ nodes.b + 1 }}"), transform("d", "{{ nodes.c }}")],
            ["a>b", "b>c", "c>d"],
        ),
        "fan": spec_of(
            [
                transform("a", 1),
                e("l", "L", seconds=0.01),
                e("r", "R"),
                {"id": "j", "type": "aggregator", "config": {"strategy": "all"}},
                e("z", "{{ nodes.l }}{{ nodes.r }}"),
            ],
            [{"from": "a", "to": ["l", "r"]}, "l>j", "r>j", "j>z"],
        ),
        "uneven": spec_of(
            [e("a", 1), e("b", "B"), e("c", "C"), e("c2", "{{ nodes.c }}2", seconds=0.002), e("j", "{{ nodes.b }}{{ nodes.c2 }}")],
            [{"from": "a", "to": ["b", "c"]}, "c>c2", "b>j", "c2>j"],
        ),
        "router": spec_of(
            [
                e("a", 5),
                {"id": "way", "type": "router", "config": {"routes": [{"when": "nodes.a > 1", "to": "high"}], "default": "low"}},
                e("high", "H"),
                e("low", "L"),
                {"id": "join", "type": "aggregator", "config": {"strategy": "first"}},
            ],
            ["a>way", "high>join", "low>join"],
            outputs={"answer": "{{ nodes.join.value }}"},
        ),
        "condition": spec_of(
            [e("a", 3), e("odd", "odd"), e("even", "even")],
            [{"from": "a", "to": "odd", "condition": "nodes.a % 2 == 1"}, {"from": "a", "to": "even", "condition": "nodes.a % 2 == 0"}],
        ),
        "loop": spec_of(
            [
                transform("start", 0),
                e("more", "{{ (nodes.check or 0) + 1 }}"),
                transform("check", "{{ nodes.more }}"),
                e("after", "{{ nodes.check }}"),
            ],
            [
                "start>more",
                "more>check",
                {"from": "check", "to": "more", "condition": "nodes.check < 3", "loop": {"max_iterations": 9}},
                "check>after",
            ],
        ),
        "nested_loop": spec_of(
            [transform("o", "{{ (nodes.o or 0) + 1 }}"), e("i", 1), transform("i2", 1), transform("w", "{{ nodes.o }}")],
            [
                "o>i",
                "i>i2",
                {"from": "i2", "to": "i", "loop": {"max_iterations": 1, "on_exhausted": "continue"}},
                "i2>w",
                {"from": "w", "to": "o", "condition": "nodes.o < 2", "loop": {"max_iterations": 5}},
            ],
        ),
        "map": spec_of(
            [
                {"id": "each", "type": "map", "config": {"items": [1, 2, 3], "node": item, "max_concurrency": 2}},
                transform("out", "{{ nodes.each.results }}"),
            ],
            ["each>out"],
        ),
        "map_body": spec_of(
            [
                {
                    "id": "each",
                    "type": "map",
                    "config": {
                        "items": [1, 2],
                        "max_concurrency": 2,
                        "graph": {
                            "start_node": "p",
                            "nodes": [e("p", "{{ item }}"), e("q", "{{ nodes.p + 1 }}")],
                            "edges": [{"from": "p", "to": "q"}],
                        },
                    },
                },
                transform("out", "{{ nodes.each.results }}"),
            ],
            ["each>out"],
        ),
        "map_keep": spec_of(
            [
                {
                    "id": "each",
                    "type": "map",
                    "config": {
                        "items": [1, 2, 3],
                        "max_concurrency": 1,
                        "on_item_error": "keep",
                        "node": {"type": f"{kind}_effect", "config": {"value": "{{ item }}", "fail_times": "{{ 9 if item == 2 else 0 }}"}},
                    },
                },
                e("z", "{{ nodes.each.results }}"),
            ],
            ["each>z"],
        ),
        "map_fail": spec_of(
            [
                e("a", 1),
                {
                    "id": "each",
                    "type": "map",
                    "config": {
                        "items": [1, 2, 3],
                        "max_concurrency": 1,
                        "node": {"type": f"{kind}_effect", "config": {"value": "{{ item }}", "fail_times": "{{ 9 if item == 2 else 0 }}"}},
                    },
                },
            ],
            ["a>each"],
        ),
        "subworkflow": spec_of(
            [
                e("a", 1),
                {
                    "id": "call",
                    "type": "subworkflow",
                    "config": {"workflow": f"child_{kind}", "version": 1, "inputs": {"x": "{{ nodes.a }}"}},
                },
                transform("z", "{{ nodes.call.outputs }}"),
            ],
            ["a>call", "call>z"],
        ),
        "on_error": spec_of(
            [e("try", 1, fail_times=9, policy={"on_error": "sorry"}), e("fine", 1), e("sorry", "{{ nodes.try.error.code }}")], ["try>fine"]
        ),
        "failing": spec_of([e("a", 1), e("b", 2, fail_times=9), e("c", 3)], ["a>b", "b>c"]),
        "retry": spec_of([e("a", 1, fail_times=2, policy=retry), e("b", "{{ nodes.a }}")], ["a>b"]),
        "when": spec_of([e("a", 1), e("b", 2, policy={"when": "nodes.a > 1"}), e("c", {"b": "{{ nodes.b }}"})], ["a>b", "b>c"]),
        "cache": spec_of([e("a", 1, policy={"cache": {"ttl_s": 3600}}), e("b", "{{ nodes.a }}")], ["a>b"]),
        "delay": spec_of([e("a", 1), {"id": "wait", "type": "delay", "config": {"seconds": 4}}, e("b", 2)], ["a>wait", "wait>b"]),
        "long_delay": spec_of([e("a", 1), {"id": "wait", "type": "delay", "config": {"seconds": 40}}, e("b", 2)], ["a>wait", "wait>b"]),
        "human": spec_of([e("a", 1), {"id": "ask", "type": "ask", "config": {}}, e("z", "{{ nodes.ask.decision }}")], ["a>ask", "ask>z"]),
        "human_branch": spec_of(
            [
                e("a", 1),
                {"id": "ask", "type": "ask", "config": {}},
                e("b", 2, seconds=0.5),
                e("z", "{{ nodes.ask.decision }}{{ nodes.b }}"),
            ],
            [{"from": "a", "to": ["ask", "b"]}, "ask>z", "b>z"],
        ),
        "human_map": spec_of(
            [e("a", 1), {"id": "each", "type": "map", "config": {"items": [1, 2], "node": {"type": "ask", "config": {}}}}, e("z", 1)],
            ["a>each", "each>z"],
        ),
        "fan_fail": spec_of(
            [e("a", 1), e("l", 1, seconds=0.05, fail_times=9), e("r", 2, seconds=1), e("j", 3)],
            [{"from": "a", "to": ["l", "r"]}, "l>j", "r>j"],
        ),
        "timeout": spec_of([e("a", 1, seconds=60, policy={"timeout_s": 0.5, "on_error": "late"}), e("late", "{{ nodes.a.error.code }}")]),
    }


def _child(kind: str) -> dict[str, Any]:
    inputs = {"type": "object", "properties": {"x": {"type": "integer"}}}
    return spec_of([effect(kind, "c1", "{{ inputs.x + 1 }}"), effect(kind, "c2", "{{ nodes.c1 + 1 }}")], ["c1>c2"], inputs=inputs)


def corpus() -> list[Case]:
    """Return every case."""
    cases = []
    for kind in ("pure", "keyed", "transactional", "once"):
        stored = {f"child_{kind}": _child(kind)}
        flows = _flows(kind)
        cases += [Case(f"{name}/{kind}", [Submission("k", spec)], stored) for name, spec in flows.items()]
        slow = spec_of([effect(kind, "a", 1), effect(kind, "b", 2, seconds=2), effect(kind, "c", 3)], ["a>b", "b>c"])
        cases.append(Case(f"cancel/{kind}", [Submission("k", slow, cancel_at_s=1.0)], stored))
        cases.append(Case(f"run_timeout/{kind}", [Submission("k", {**slow, "limits": {"timeout_s": 1.0}})], stored))
        cases.append(Case(f"step/{kind}", [Submission("k", flows["chain"], options=RunStart(mode="step"))], stored))
        cases.append(
            Case(
                f"breakpoints/{kind}",
                [Submission("k", flows["fan"], options=RunStart(interrupt_before=["z"], interrupt_after=["l"]))],
                stored,
            )
        )
        cases.append(Case(f"twins/{kind}", [Submission("k", flows["chain"], twins=3, fickle=True)], stored))
        together = [Submission(f"k{n}", flows[name], at_s=0.001 * n) for n, name in enumerate(("chain", "fan", "map", "loop"))]
        cases.append(Case(f"together/{kind}", together, stored))
    return cases
