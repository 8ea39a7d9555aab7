"""Executions under way, and how many there may be at a time."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

from agentflow.compiler.engine import Scope
from agentflow.compiler.plan import PlanNode
from agentflow.runtime.records.records import NodeRecord


@dataclass(slots=True)
class Execution:
    """One execution under way."""

    node: PlanNode
    record: NodeRecord
    scope: Scope
    loops: Mapping[int, int]
    recovered: bool = False
    """Whether an earlier owner had begun it."""


def turns(at_a_time: int | None) -> AbstractAsyncContextManager[None]:
    """Return what the executions of a run pass through, so many at a time.

    Those that wait in a queue or between attempts are in it; those that were put aside, for a person, an event or a far moment, are not.
    """
    return nullcontext() if at_a_time is None else asyncio.Semaphore(at_a_time)
