"""What the golden stores hold: one run in each state that an upgrade may meet it in, with the end that it must come to."""

import asyncio
from dataclasses import dataclass
from typing import Any

from agentflow.runtime.runs.schemas import RunStart
from tests.runtime.support import World, probe, spec_of, transform


@dataclass(frozen=True)
class Form:
    """A run that is stopped somewhere.

    Attributes:
        spec: its specification.
        outputs: what it must come to.
        held: names of the gates that hold it up.
        done: nodes that had finished, and must not run again.
        options: where it stops by itself.
    """

    spec: dict[str, Any]
    outputs: Any
    held: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    options: RunStart | None = None


def _map_body() -> dict[str, Any]:
    return {"type": "probe", "config": {"value": "{{ item }}", "wait_for": "{{ 'map' if item == 2 else none }}"}}


FORMS = {
    "finished": Form(spec_of([probe("f1", value=1), transform("f2", "{{ nodes.f1 + 1 }}")], ["f1>f2"]), 2, done=("f1",)),
    "mid-chain": Form(
        spec_of(
            [probe(f"c{n}", policy={"effect": "keyed"}, value=n, wait_for="chain" if n == 2 else None) for n in range(4)],
            ["c0>c1", "c1>c2", "c2>c3"],
        ),
        3,
        ("chain",),
        ("c0", "c1"),
    ),
    "mid-branches": Form(
        spec_of(
            [probe("b", value=1), probe("l", value=2), probe("r", wait_for="branch", value=3), transform("j", "{{ nodes.l + nodes.r }}")],
            [{"from": "b", "to": ["l", "r"]}, "l>j", "r>j"],
        ),
        5,
        ("branch",),
        ("b", "l"),
    ),
    "mid-loop": Form(
        spec_of(
            [
                probe("n", value="{{ (nodes.n or 0) + 1 }}"),
                probe("w", wait_for="{{ 'loop' if nodes.n == 3 else none }}"),
                transform("o", "{{ nodes.n }}"),
            ],
            ["n>w", {"from": "w", "to": "n", "condition": "nodes.n < 3", "loop": {"max_iterations": 9}}, "w>o"],
        ),
        3,
        ("loop",),
        ("n",),
    ),
    "mid-map": Form(
        spec_of(
            [
                probe("m", value=[0, 1, 2, 3]),
                {"id": "each", "type": "map", "config": {"items": "{{ nodes.m }}", "node": _map_body(), "max_concurrency": 1}},
                transform("z", "{{ nodes.each.results }}"),
            ],
            ["m>each", "each>z"],
        ),
        [0, 1, 2, 3],
        ("map",),
        ("m", "each[0]", "each[1]"),
    ),
    "dead-branch": Form(
        spec_of(
            [
                probe("d", value=1),
                {"id": "way", "type": "router", "config": {"routes": [{"when": "nodes.d == 1", "to": "x"}], "default": "y"}},
                probe("x", wait_for="dead", value="x"),
                probe("y", value="y"),
                transform("k", "{{ [nodes.x, nodes.y] }}"),
            ],
            ["d>way", "x>k", "y>k"],
        ),
        ["x", {}],
        ("dead",),
        ("d",),
    ),
    "parent": Form(
        spec_of([{"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": 1, "inputs": {}}}]),
        {"outputs": "from child"},
        ("child",),
    ),
    "attention": Form(
        spec_of([probe("p", value=1), probe("pay", "once_probe", wait_for="once"), transform("q", 2)], ["p>pay", "pay>q"]), 2
    ),
}
BREAKPOINT = Form(
    spec_of([probe("s", value=1), probe("t", value="{{ nodes.s + 1 }}")], ["s>t"]),
    2,
    done=("s",),
    options=RunStart(interrupt_before=["t"]),
)
QUEUED = Form(spec_of([probe("u", value="queued")]), "queued")
CHILD = spec_of([probe("i", wait_for="child", value="from child")])


class Open(dict[str, asyncio.Event]):
    """Gates that let everybody through."""

    def setdefault(self, name: str, event: asyncio.Event) -> asyncio.Event:  # type: ignore[override]
        event.set()
        return event


def prepare(world: World) -> None:
    """Give a world the workflow that the parent calls."""
    world.workflows.specs["child"] = CHILD
