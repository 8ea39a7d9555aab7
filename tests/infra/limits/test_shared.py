"""Limits over several processes, and while Redis is away."""

import asyncio
import subprocess
import sys
import time
from itertools import pairwise

from agentflow.infra.limits.base import Ask, Bucket, Line
from agentflow.infra.limits.lines import Lines
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.outage import IS_SHARED
from agentflow.infra.limits.redis import PATIENCE_S, RedisBuckets
from agentflow.infra.limits.shared import SharedBuckets
from agentflow.infra.redis import open_redis
from agentflow.kit.ids import new_id
from tests.infra.limits.test_lines import Waits
from tests.support.redis_server import REDIS, RedisProcess

WORKER = """
import asyncio, sys, time
from agentflow.infra.limits.base import Bucket, Line
from agentflow.infra.limits.lines import Lines
from agentflow.infra.limits.redis import RedisBuckets
from agentflow.infra.redis import open_redis

async def main(url, key, count):
    async with open_redis(url, repeats=0) as redis:
        lines, line = Lines(RedisBuckets(redis)), Line(key, (Bucket("messages", 40.0, 5.0),))
        await redis.ping()
        print("ready", flush=True)
        sys.stdin.readline()
        async def one():
            await lines.enter(line, "", 1.0, (1.0,), lambda wait_s, reason: None)
            print(time.monotonic(), flush=True)
        await asyncio.gather(*(one() for _ in range(count)))
        await lines.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def test_three_processes_together_keep_one_limit() -> None:
    """Sixty of three processes at forty a second behind a burst of five take as long as sixty of one."""
    key = f"test:{new_id()}"
    command = [sys.executable, "-c", WORKER, REDIS, key, "20"]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    passed = sorted(float(line) for process in processes for line in process.communicate(timeout=60)[0].split())
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(passed) == 60
    assert passed[-1] - passed[0] >= (60 - 5) / 40 - 0.1  # a tenth for the way from the server to the clock of the process


async def test_those_of_a_dead_process_do_not_hold_up_the_others() -> None:
    """What a process waited for that is not seen any more is dropped, and costs nothing."""
    now, line = [1_000.0], Line(f"test:{new_id()}", (Bucket("messages", 0.1, 1.0),))
    async with open_redis(REDIS, repeats=0) as redis:
        buckets = RedisBuckets(redis, lambda: now[0])
        dead = [Ask(new_id(), "", 1.0, (1.0,)) for _ in range(50)]
        await buckets.turn(line, "dead", dead, [], dead)
        living = Ask(new_id(), "", 1.0, (1.0,))
        await buckets.turn(line, "living", [living], [], [living])
        now[0] += PATIENCE_S + 1
        assert not (await buckets.turn(line, "living", [], [], [living])).granted
        now[0] += 5
        assert (await buckets.turn(line, "living", [], [], [living])).granted == [living.ticket]


async def test_a_process_that_was_taken_for_dead_lines_up_again() -> None:
    """One that was only slow loses its place and nothing else."""
    now, line = [1_000.0], Line(f"test:{new_id()}", (Bucket("messages", 0.1, 1.0),))
    async with open_redis(REDIS, repeats=0) as redis:
        buckets = RedisBuckets(redis, lambda: now[0])
        first, slow, other = (Ask(new_id(), "", 1.0, (1.0,)) for _ in range(3))
        await buckets.turn(line, "slow", [first, slow], [], [first, slow])
        await buckets.turn(line, "other", [other], [], [other])
        now[0] += PATIENCE_S + 1
        await buckets.turn(line, "other", [], [], [other])
        now[0] += 4
        assert not (await buckets.turn(line, "slow", [], [], [slow])).granted
        assert (await buckets.turn(line, "other", [], [], [other])).granted == [other.ticket]
        now[0] += 10
        await buckets.turn(line, "other", [], [], [])
        assert (await buckets.turn(line, "slow", [], [], [slow])).granted == [slow.ticket]


async def test_a_server_that_forgot_everything_keeps_nobody_waiting(redis_process: RedisProcess) -> None:
    """After FLUSHALL whoever waits is lined up again by its own process."""
    async with open_redis(redis_process.url, repeats=0) as redis:
        lines, waits = Lines(SharedBuckets(RedisBuckets(redis))), Waits()
        line = Line("flushed", (Bucket("messages", 0.001, 1.0),))
        await lines.enter(line, "", 1.0, (1.0,), waits)
        waiting = asyncio.create_task(lines.enter(line, "", 1.0, (1.0,), waits))
        await waits.came.wait()
        await redis.flushall()
        await waiting  # the level is forgotten as well
        await lines.close()


async def test_while_redis_is_away_each_process_keeps_limits_of_its_own(redis_process: RedisProcess) -> None:
    """Whoever waits goes on in this process, at the rate of the line, and limits are shared again when Redis is back."""
    async with open_redis(redis_process.url, timeout_s=0.5, repeats=0) as redis:
        lines = Lines(SharedBuckets(RedisBuckets(redis)))
        line, waits = Line("outage", (Bucket("messages", 50.0, 1.0),)), Waits()
        passed: list[float] = []

        async def enter() -> None:
            await lines.enter(line, "", 1.0, (1.0,), waits)
            passed.append(time.monotonic())

        waiting = [asyncio.create_task(enter()) for _ in range(30)]
        await waits.came.wait()
        redis_process.kill()
        await asyncio.gather(*waiting)
        assert IS_SHARED._value.get() == 0
        assert all(later >= earlier for earlier, later in pairwise(passed))
        assert passed[-1] - passed[0] >= 0.4  # thirty at fifty a second, and a second burst
        redis_process.start()
        while not IS_SHARED._value.get():
            await enter()
        assert await redis.exists("agentflow:limits:{outage}:levels")
        await lines.close()


async def test_counters_expire_in_redis() -> None:
    """A line that nobody uses is forgotten: at the latest a minute after it is full again."""
    line = Line(f"test:{new_id()}", (Bucket("messages", 1.0, 30.0),))
    async with open_redis(REDIS, repeats=0) as redis:
        lines = Lines(RedisBuckets(redis))
        for _ in range(30):
            await lines.enter(line, "", 1.0, (1.0,), Waits())
        lines.settle(line, (-5.0,))
        await lines.close()
        keys = [key async for key in redis.scan_iter(f"agentflow:limits:{{{line.key}}}:*")]
        lives = [await redis.pttl(key) for key in keys]
        assert all(0 < life <= 100_000 for life in lives)


async def test_lines_that_are_full_again_are_forgotten_in_memory() -> None:
    """A process that has seen many lines keeps those in use."""
    now = [0.0]
    buckets = MemoryBuckets(lambda: now[0])
    for number in range(5_000):
        now[0] += 1.0
        ask = Ask("t", "", 1.0, (1.0,))
        await buckets.turn(Line(f"line {number}", (Bucket("messages", 0.1, 1.0),)), "a", [ask], [], [ask])
    assert len(buckets) <= 1_000
