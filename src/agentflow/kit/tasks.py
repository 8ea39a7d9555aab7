"""Ending tasks."""

import asyncio
from typing import Any

AGAIN_S = 1.0
"""Seconds after which a task that goes on is cancelled again."""


async def ended(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended; None is a task that was never begun.

    Once is not enough: until Python 3.12 ``asyncio.wait_for``, in which the client of Redis sends, loses a cancellation that comes in the
    moment in which what it waits for is done (https://github.com/python/cpython/issues/86296).

    Raises:
        BaseException: what a task had failed with before, the first of them.
    """
    late = begun = [task for task in tasks if task is not None]
    while late:
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=AGAIN_S)
        late = [task for task in late if not task.done()]
    for task in begun:
        if not task.cancelled():
            task.result()


def end_if_cancelled() -> None:
    """End the running task here if it was cancelled before and goes on all the same, because what it called has lost that; see ``ended``.

    Raises:
        CancelledError: it was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
