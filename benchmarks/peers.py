"""LangGraph by itself, in a process of its own: the same ten steps that do nothing, without a server around them.

python -m benchmarks.peers sqlite --concurrency 32 --runs 60
"""

import argparse
import asyncio
import json
import operator
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

import uvloop
from langgraph.graph import START, StateGraph

STEPS = 10


class State(TypedDict):
    """What the steps pass on."""

    n: Annotated[int, operator.add]


def graph() -> Any:
    """Return the chain."""
    chain: Any = StateGraph(State)
    for step in range(STEPS):
        chain.add_node(f"n{step}", _nothing)
        chain.add_edge(f"n{step - 1}" if step else START, f"n{step}")
    return chain


async def _nothing(_state: State) -> dict[str, int]:
    return {"n": 1}


@asynccontextmanager
async def saver(kind: str, postgres: str | None) -> AsyncIterator[Any]:
    """Open LangGraph's own saver: ``sqlite``, ``postgres`` or ``none``."""
    if kind == "none":
        yield None
    elif kind == "sqlite":
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        with tempfile.TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(f"{folder}/checkpoints.db") as opened:
                yield opened
    else:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

        async with AsyncPostgresSaver.from_conn_string(postgres or "") as opened:
            await opened.setup()
            yield opened


async def measure(options: argparse.Namespace) -> dict[str, float]:
    """Run the chain many times; durability is "sync", as a step that is acknowledged must be on disk."""
    async with saver(options.kind, options.postgres) as opened:
        compiled = graph().compile(checkpointer=opened)
        places, latencies = asyncio.Semaphore(options.concurrency), list[float]()

        async def run(number: int) -> None:
            async with places:
                begin = time.perf_counter()
                config = {"configurable": {"thread_id": f"{time.time_ns()}-{number}"}}
                await compiled.ainvoke({"n": 0}, config, **({"durability": "sync"} if opened else {}))
                latencies.append(time.perf_counter() - begin)

        await asyncio.gather(*[run(-n) for n in range(1, 4)])
        latencies.clear()
        begin = time.perf_counter()
        await asyncio.gather(*[run(number) for number in range(options.runs)])
        wall = time.perf_counter() - begin
    latencies.sort()
    return {"per_s": options.runs / wall, "median_s": latencies[len(latencies) // 2]}


def main() -> None:
    """Measure as told on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["sqlite", "postgres", "none"])
    parser.add_argument("--postgres")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--runs", type=int, default=60)
    print(json.dumps(uvloop.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
