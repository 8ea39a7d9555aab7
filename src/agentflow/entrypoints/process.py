"""What every long-lived process does to run well: the event loop, and what it loads before the first run comes."""

import asyncio
import gc
import sys

from agentflow.runtime.execution.driver import warm_up

MOST_FILES = 65_536
"""Open files and connections that a server asks for."""


def loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    """Return the event loop to use; None for Python's own."""
    if sys.platform == "win32":
        return None
    import uvloop

    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


def raise_file_limit() -> None:
    """Let this process hold as many connections as the system allows it: shells begin with a thousand."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def settle() -> None:
    """Load what the first run needs, then take everything loaded out of garbage collection.

    Half a million objects of libraries live as long as the process; each full collection would walk them and stop the event loop for
    160 ms, several times a second under load. Young objects are collected less often, too: a run's few cycles can wait.
    """
    warm_up()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 50)
