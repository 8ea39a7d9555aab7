"""Ending tasks of the background."""

import asyncio
import contextlib

import pytest

from agentflow.kit import tasks
from agentflow.kit.tasks import ended


async def test_every_task_has_ended_and_none_was_begun_is_fine():
    """Whatever a task does on its way out is waited for."""
    said = []

    async def keeper(number):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append(number)

    keepers = [asyncio.create_task(keeper(number)) for number in range(3)]
    await asyncio.sleep(0)
    await ended(None, *keepers)
    await ended(None)
    assert said == [0, 1, 2]
    assert all(task.cancelled() for task in keepers)


async def test_what_a_task_failed_with_is_not_lost():
    """It is raised, when the others have ended too."""

    async def failing():
        raise LookupError("gone")

    failed, other = asyncio.create_task(failing()), asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    with pytest.raises(LookupError, match="gone"):
        await ended(failed, other)
    assert other.cancelled()


async def test_whoever_waits_for_the_end_can_be_cancelled():
    """The cancellation is not taken for that of the task."""
    held = asyncio.Event()

    async def stubborn():
        try:
            await asyncio.Event().wait()
        finally:
            await held.wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(ended(task))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    held.set()
    await asyncio.wait({task})


async def test_a_cancellation_that_is_lost_comes_again(monkeypatch):
    """A library may swallow it, as ``asyncio.wait_for`` did until Python 3.12; the task ends all the same."""
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)

    async def deaf():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended(task)
    assert task.cancelled()
