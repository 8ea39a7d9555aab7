"""The saver at work: real graphs, storage that grows with the steps, and rows that share a run's transaction."""

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from sqlalchemy import Connection, func, select, update

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, Fenced, GroupCommitter, Guard, Statement
from agentflow.kit.ids import new_id
from agentflow.runtime.checkpoints.codec import RefusedBlob, UnstorableValue
from agentflow.runtime.checkpoints.saver import AgentFlowSaver
from agentflow.runtime.checkpoints.statements import CHECKPOINTS, WRITES

TENANT = new_id()


@pytest.fixture
async def committer(database: Database) -> AsyncIterator[GroupCommitter]:
    """Give a running committer that knows no owner of anything but token 2."""

    def check(connection: Connection, guards: Sequence[Guard], locks: Sequence[str]) -> set[Guard]:
        return {guard for guard in guards if guard.token != 2}

    committer = GroupCommitter(database, check)
    committer.start()
    yield committer
    await committer.stop()


@pytest.fixture
def savers(database: Database, committer: GroupCommitter) -> AgentFlowSaver:
    """Give the saver that makes others."""
    return AgentFlowSaver(database, committer)


def thread(name: str = "t", **more: Any) -> Any:
    """Return a config of a thread."""
    return {"configurable": {"thread_id": name, **more}, "recursion_limit": 1_000}


def chain(length: int) -> Any:
    """Return a graph of ``length`` nodes in a row, each with a channel of its own, reached by commands as compiled plans are."""
    channels: dict[str, Any] = {f"@n{n}": list[Any] for n in range(length)}
    graph: Any = StateGraph(TypedDict("State", channels))  # type: ignore[misc]

    def node(n: int) -> Any:
        async def step(state: dict[str, Any]) -> Any:
            return Command(update={f"@n{n}": ["c", 0, [n]]}, goto=f"n{n + 1}" if n + 1 < length else END)

        return step

    for n in range(length):
        graph.add_node(f"n{n}", node(n))
    graph.add_edge(START, "n0")
    return graph


class Totals(TypedDict):
    items: Annotated[list[int], operator.add]
    answer: str | None


def mapping() -> Any:
    """Return a graph with Send lanes, a reducer and a question to a person."""
    graph: Any = StateGraph(Totals)
    graph.add_node("split", lambda state: Command(goto=[Send("lane", {"n": n}) for n in range(3)]))
    graph.add_node("lane", lambda state: {"items": [state["n"]]})
    graph.add_node("ask", lambda state: {"answer": interrupt({"sum": sum(state["items"])})})
    graph.add_edge(START, "split")
    graph.add_edge("lane", "ask")
    return graph


async def states(graph: Any, config: Any) -> list[Any]:
    """Return the state history as comparable values."""
    return [(state.values, state.next, state.metadata["step"]) async for state in graph.aget_state_history(config)]


async def test_a_graph_with_lanes_and_a_question_behaves_as_with_the_reference_saver(savers: AgentFlowSaver) -> None:
    """Same results, same history, before and after the answer."""
    results = []
    for saver in (InMemorySaver(), savers.for_tenant(TENANT)):
        graph = mapping().compile(checkpointer=saver)
        asked = await graph.ainvoke({"items": []}, thread())
        before = await states(graph, thread())
        answered = await graph.ainvoke(Command(resume="yes"), thread())
        results.append((asked["__interrupt__"][0].value, before, answered, await states(graph, thread())))
    assert results[0] == results[1]
    assert results[1][2] == {"items": [0, 1, 2], "answer": "yes"}


async def test_a_run_resumes_from_the_last_checkpoint_in_another_saver(savers: AgentFlowSaver) -> None:
    """What failed in one process goes on in the next, where it was."""
    ran: list[str] = []
    broken = [True]

    async def second(state: Any) -> Any:
        ran.append("second")
        if broken[0]:
            raise RuntimeError("power cut")
        return {"answer": "done"}

    graph: Any = StateGraph(Totals)
    graph.add_node("first", lambda state: ran.append("first") or {"items": [1]})
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    with pytest.raises(RuntimeError):
        await graph.compile(checkpointer=savers.for_tenant(TENANT)).ainvoke({"items": []}, thread(), durability="sync")
    broken[0] = False
    result = await graph.compile(checkpointer=savers.for_tenant(TENANT)).ainvoke(None, thread())
    assert result == {"items": [1], "answer": "done"}
    assert ran == ["first", "second", "second"]


def additions() -> Any:
    """Return a graph of four nodes joined by edges, each adding its number."""
    graph: Any = StateGraph(Totals)
    for n in range(4):
        graph.add_node(f"n{n}", lambda state, n=n: {"items": [n]})
        graph.add_edge(f"n{n - 1}" if n else START, f"n{n}")
    return graph


async def test_forks_of_a_thread_do_not_see_each_other(savers: AgentFlowSaver) -> None:
    """A state patched in the past leads to its own future; the old one stays."""
    graph = additions().compile(checkpointer=savers.for_tenant(TENANT))
    await graph.ainvoke({"items": []}, thread())
    history = [state async for state in graph.aget_state_history(thread())]
    past = next(state for state in history if state.next == ("n2",))
    forked = await graph.aupdate_state(past.config, {"items": [99]}, as_node="n1")
    assert (await graph.ainvoke(None, forked))["items"] == [0, 1, 99, 2, 3]
    assert (await graph.aget_state(history[0].config)).values["items"] == [0, 1, 2, 3]


async def used_bytes(database: Database, thread_id: str) -> int:
    """Return the bytes that a thread takes in both tables."""
    total = 0
    async with database.reading() as session:
        for table in (CHECKPOINTS, WRITES):
            sizes = [func.length(column) for column in table.columns if column.name in {"body", "value", "channel", "task_path"}]
            rows = (await session.execute(select(*sizes).where(table.c.thread_id == thread_id))).all()
            total += sum(sum(row) + 16 * 3 + len(thread_id) for row in rows)
    return total


async def run_with_sink(savers: AgentFlowSaver, committer: GroupCommitter, length: int, name: str) -> Any:
    """Run a chain whose rows are gathered and committed once, as the journal does."""
    batch = Batch(Guard(name, 2))
    graph = chain(length).compile(checkpointer=savers.for_run(TENANT, batch.add))
    result = await graph.ainvoke({}, thread(name), durability="sync")
    await committer.submit(batch)
    return result


async def test_storage_grows_with_the_steps_and_not_with_their_square(
    savers: AgentFlowSaver, committer: GroupCommitter, database: Database
) -> None:
    """Two hundred steps over two hundred channels take at most twenty times what ten take."""
    for length in (10, 200):
        await run_with_sink(savers, committer, length, str(length))
    small, large = await used_bytes(database, "10"), await used_bytes(database, "200")
    assert large <= 20 * small
    assert small <= 12_000


async def test_a_run_is_rebuilt_from_its_changes(savers: AgentFlowSaver, committer: GroupCommitter) -> None:
    """What 200 steps left in rows reads as the whole state."""
    result = await run_with_sink(savers, committer, 200, "long")
    state = await chain(200).compile(checkpointer=savers.for_tenant(TENANT)).aget_state(thread("long"))
    assert state.values == result
    assert state.next == ()


async def test_a_stale_owner_leaves_no_checkpoint(savers: AgentFlowSaver, committer: GroupCommitter) -> None:
    """Rows that a former owner of the run gathered are refused whole."""
    batch = Batch(Guard("t", 1))
    await chain(3).compile(checkpointer=savers.for_run(TENANT, batch.add)).ainvoke({}, thread(), durability="sync")
    with pytest.raises(Fenced):
        await committer.submit(batch)
    assert not await savers.for_tenant(TENANT).has_checkpoint("t")


async def test_checkpoints_and_journal_rows_are_stored_together_or_not_at_all(savers: AgentFlowSaver, committer: GroupCommitter) -> None:
    """A batch whose other row is refused takes its checkpoints with it."""
    batch = Batch()
    await chain(3).compile(checkpointer=savers.for_run(TENANT, batch.add)).ainvoke({}, thread(), durability="sync")
    refused = CHECKPOINTS.insert()
    row = {"tenant_id": None, "thread_id": "x", "checkpoint_ns": "", "checkpoint_id": new_id(), "parent_id": None, "run_id": None}
    batch.add(Statement("refused", 99, refused), {**row, "body": b""})
    with pytest.raises(Exception, match=r"(?i)null"):
        await committer.submit(batch)
    assert not await savers.for_tenant(TENANT).has_checkpoint("t")


async def test_a_repeated_commit_changes_nothing(savers: AgentFlowSaver, committer: GroupCommitter) -> None:
    """A batch whose outcome was unknown can be sent again."""
    batch = Batch()
    await chain(3).compile(checkpointer=savers.for_run(TENANT, batch.add)).ainvoke({}, thread(), durability="sync")
    await committer.submit(batch)
    graph = chain(3).compile(checkpointer=savers.for_tenant(TENANT))
    before = await states(graph, thread())
    await committer.submit(batch)
    assert await states(graph, thread()) == before


async def test_tenants_do_not_see_each_other(savers: AgentFlowSaver) -> None:
    """The same thread id in another tenant is another thread, for reading, listing and deleting."""
    mine, theirs = savers.for_tenant(TENANT), savers.for_tenant(new_id())
    await chain(2).compile(checkpointer=mine).ainvoke({}, thread())
    assert await theirs.aget_tuple(thread()) is None
    assert [found async for found in theirs.alist(None)] == []
    await theirs.adelete_thread("t")
    await theirs.aprune(["t"], strategy="delete")
    await theirs.acopy_thread("t", "u")
    assert await mine.has_checkpoint("t")
    assert not await theirs.has_checkpoint("u")


async def test_pruning_keeps_the_latest_readable(savers: AgentFlowSaver) -> None:
    """The one checkpoint that stays holds the whole state, without its ancestors."""
    saver = savers.for_tenant(TENANT)
    graph = chain(20).compile(checkpointer=saver)
    result = await graph.ainvoke({}, thread())
    await saver.aprune(["t"])
    assert len([found async for found in saver.alist(thread())]) == 1
    assert (await graph.aget_state(thread())).values == result
    with pytest.raises(ValueError, match="strategy"):
        await saver.aprune(["t"], strategy="some")


async def test_a_damaged_row_is_refused(savers: AgentFlowSaver, database: Database) -> None:
    """A body that somebody replaced raises the typed error."""
    saver = savers.for_tenant(TENANT)
    await chain(2).compile(checkpointer=saver).ainvoke({}, thread())
    async with database.connection() as connection:
        await connection.execute(update(CHECKPOINTS).values(body=b"\xc7\x0c\x00\x93\xa2os\xa6getenv"))
    with pytest.raises(RefusedBlob):
        await saver.aget_tuple(thread())


async def test_a_state_that_cannot_be_kept_fails_the_step(savers: AgentFlowSaver) -> None:
    """A node that returns an object gets the typed error, and the checkpoint before stays."""
    graph: Any = StateGraph(Totals)
    graph.add_node("bad", lambda state: {"answer": object()})
    graph.add_edge(START, "bad")
    with pytest.raises(UnstorableValue, match="object"):
        await graph.compile(checkpointer=savers.for_tenant(TENANT)).ainvoke({"items": []}, thread(), durability="sync")


async def test_ids_that_no_checkpoint_has_are_absent(savers: AgentFlowSaver) -> None:
    """Text that is no checkpoint id finds nothing and raises nothing."""
    assert await savers.for_tenant(TENANT).aget_tuple(thread(checkpoint_id="' OR 1=1", checkpoint_ns="")) is None


async def test_synchronous_use_is_refused_with_the_way_out(savers: AgentFlowSaver) -> None:
    """The blocking methods name the asynchronous ones."""
    saver = savers.for_tenant(TENANT)
    with pytest.raises(NotImplementedError, match="ainvoke"):
        await asyncio.to_thread(chain(2).compile(checkpointer=saver).invoke, {}, thread())


async def test_a_saver_without_a_tenant_stores_nothing(savers: AgentFlowSaver) -> None:
    """The factory itself cannot be used by mistake."""
    with pytest.raises(RuntimeError, match="for_tenant"):
        await savers.has_checkpoint("t")


async def test_a_checkpoint_costs_little_python(savers: AgentFlowSaver) -> None:
    """Storing a step of a ten-node run takes well under 60 µs besides the disk (bound doubled for busy machines)."""
    rows: list[tuple[Statement, Mapping[str, Any]]] = []
    saver = savers.for_run(TENANT, lambda statement, row: rows.append((statement, row)))
    versions = {f"@n{n}": 1 for n in range(10)} | {f"branch:to:n{n}": 1 for n in range(10)}
    config = thread(checkpoint_ns="")
    best = float("inf")
    for n in range(300):
        versions = {**versions, f"@n{n % 10}": n + 2}
        checkpoint: Any = {
            "v": 4,
            "id": new_id(),
            "ts": "2026-01-01T00:00:00.000000+00:00",
            "channel_values": {channel: ["c", 0, [1]] for channel in versions},
            "channel_versions": versions,
            "versions_seen": {f"n{k}": {f"branch:to:n{k}": 1} for k in range(10)},
            "updated_channels": [f"@n{n % 10}"],
        }
        begin = time.perf_counter()
        config = await saver.aput(config, checkpoint, {"source": "loop", "step": n, "parents": {}}, {f"@n{n % 10}": n + 2})
        best = min(best, time.perf_counter() - begin)
    assert len(rows) == 300
    assert best < 120e-6
