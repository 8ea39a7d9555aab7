"""What large values cost: CPU of an ordinary run with and without looking for them, and memory while 9.5 MB go through a run.

python -m benchmarks.large_values
"""

import asyncio
import logging
import resource
import tempfile
import time
from pathlib import Path

import structlog

from agentflow.config.settings import Settings
from tests.runtime.conftest import create_tables
from tests.runtime.support import World, run_to_end, spec_of, transform

CHAIN = spec_of([transform(f"n{i}", f"{{{{ nodes.n{i - 1} + 1 }}}}" if i else 0) for i in range(10)], [f"n{i}>n{i + 1}" for i in range(9)])
ECHO = spec_of([transform("a", "{{ inputs.text }}")], inputs={"type": "object"})
ROUNDS, AT_A_TIME = 9, 32
LARGE = "x" * 9_500_000


async def cpu_ms(spill_bytes: int) -> float:
    """Return milliseconds of CPU that a durable chain of ten nodes takes, 32 at a time."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        await create_tables(settings.database)
        async with World(settings).runtime(spill_bytes=spill_bytes) as runs:
            await run_to_end(runs, CHAIN)
            began = time.process_time()
            for _ in range(ROUNDS):
                await asyncio.gather(*[run_to_end(runs, CHAIN) for _ in range(AT_A_TIME)])
            return (time.process_time() - began) / (ROUNDS * AT_A_TIME) * 1_000


async def peak_mb() -> tuple[float, float]:
    """Return the peak of resident memory before and after six runs with inputs and outputs of 9.5 MB."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        await create_tables(settings.database)
        async with World(settings).runtime() as runs:
            await run_to_end(runs, CHAIN)
            before = _peak()
            for _ in range(6):
                run = await run_to_end(runs, ECHO, {"text": LARGE})
                assert run.outputs == LARGE
            return before, _peak()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000


async def main() -> None:
    before, after = await peak_mb()
    print(f"peak of memory: {before:.0f} MB before, {after:.0f} MB with values of 9.5 MB")
    for _ in range(3):
        print(f"CPU a run: {await cpu_ms(0):.2f} ms without spilling, {await cpu_ms(262_144):.2f} ms with")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main())
