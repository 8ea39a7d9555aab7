"""Running a parser in a process that can be stopped: see ``worker``."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any, Literal
from weakref import WeakKeyDictionary

from agentflow.kit import json
from agentflow.knowledge.documents import DocumentTooLarge, InvalidDocument
from agentflow.knowledge.parsers.limits import MAX_PAGES, MAX_TEXT_CHARACTERS

WORKER = "agentflow.knowledge.parsers.worker"
WORKER_MEMORY_BYTES = 1_000_000_000
PARALLEL = 2
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYSTEMROOT")
"""Of the environment; the rest may hold secrets, which a parser of hostile files need not know."""
_SPLIT = "Split it into smaller files."

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def read_isolated(kind: Literal["pdf", "html"], data: bytes, timeout_s: float) -> Mapping[str, Any]:
    """Return what the worker read; at most ``PARALLEL`` workers run at once.

    Raises:
        InvalidDocument: the file is broken or encrypted, or takes too long or too much memory.
        DocumentTooLarge: it has too many pages or too much text.
    """
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(PARALLEL)):
        answer = await _run(kind, data, timeout_s)
    error = answer.get("error")
    if error == "pages":
        raise DocumentTooLarge(f"The document has {answer['found']} pages; {MAX_PAGES} are allowed.", hint=_SPLIT)
    if error == "characters":
        raise DocumentTooLarge(f"The document has more than {MAX_TEXT_CHARACTERS} characters of text.", hint=_SPLIT)
    if error == "encrypted":
        raise InvalidDocument("The document is encrypted.", hint="Send it without its password.")
    if error == "runaway":
        raise InvalidDocument("Reading the document took too much time or memory.", hint=_SPLIT)
    if error is not None:
        raise InvalidDocument(f"The document is broken ({answer.get('reason')}).", hint="Save or print it to a new file.")
    return answer


async def _run(kind: str, data: bytes, timeout_s: float) -> Mapping[str, Any]:
    limits = map(str, (WORKER_MEMORY_BYTES, int(timeout_s) + 1, MAX_PAGES, MAX_TEXT_CHARACTERS))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", WORKER, kind, *limits),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(data)
        answer: Mapping[str, Any] = json.loads(output)
    except (TimeoutError, json.InvalidJson):  # stopped by us, or by the limits before it could answer
        return {"error": "runaway"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return answer
