"""A world for one node: records what the node says, and holds whatever the test puts into it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from agentflow.nodes.context import (
    ChildRun,
    DatabaseSource,
    HttpClient,
    Knowledge,
    ModelGateway,
    Part,
    Question,
    Reply,
    ResolvedSource,
    Usage,
)


class Absent:
    """Stands where a test gave nothing; touching it fails the test."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        raise AssertionError(f"the test gave no {self._name}, yet the node used {attribute}")


@dataclass
class FakeContext:
    """Fulfils ``NodeContext``; every port is real or absent."""

    tenant_id: str = "tenant"
    run_id: str = "run"
    node_id: str = "node"
    attempt: int = 1
    key: str = "run:node:0"
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    inputs: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Part] = ()
    source: ResolvedSource | None = None
    http: HttpClient = field(default_factory=lambda: Absent("http"))  # type: ignore[assignment]
    models: ModelGateway = field(default_factory=lambda: Absent("models"))  # type: ignore[assignment]
    knowledge: Knowledge = field(default_factory=lambda: Absent("knowledge"))  # type: ignore[assignment]
    open_database: Callable[[ResolvedSource, str], DatabaseSource] | None = None
    child: ChildRun | None = None
    """What ``run_child`` answers."""
    reply: Reply | None = None
    """What ``ask`` answers."""
    questions: list[Question] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    children: list[tuple[str, Mapping[str, Any], int | str]] = field(default_factory=list)

    def database(self) -> DatabaseSource:
        assert self.open_database is not None
        assert self.source is not None
        return self.open_database(self.source, self.tenant_id)

    def token(self, text: str) -> None:
        self.tokens.append(text)

    def progress(self, fraction: float | None, message: str = "") -> None:
        self.logs.append(f"{fraction} {message}")

    def log(self, message: str, level: str = "info", **data: Any) -> None:
        self.logs.append(message)

    def use(self, usage: Usage) -> None:
        self.usages.append(usage)

    async def cannot_repeat(self) -> None:
        self.logs.append("cannot repeat")

    async def ask(self, question: Question) -> Reply:
        self.questions.append(question)
        assert self.reply is not None
        return self.reply

    async def sleep_until(self, moment: datetime) -> None:
        await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))

    async def run_child(self, workflow: str, inputs: Mapping[str, Any], version: int | Literal["latest"]) -> ChildRun:
        self.children.append((workflow, inputs, version))
        assert self.child is not None
        return self.child
