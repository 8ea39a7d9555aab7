"""How a process of ours is started: as a user starts it, or forked from one that has imported everything already."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import BinaryIO, Protocol


class Launched(Protocol):
    """A process that was started."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def kill(self) -> None:
        """End it at once."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit status; raises ``subprocess.TimeoutExpired``."""


Launch = Callable[[Sequence[str], Mapping[str, str], BinaryIO], Launched]
"""Starts ``agentflow`` with arguments and environment variables; what it prints is appended to a file."""


def executed(arguments: Sequence[str], environment: Mapping[str, str], output: BinaryIO) -> Launched:
    """Start the command as users do."""
    program = str(Path(sys.executable).with_name("agentflow"))
    return subprocess.Popen([program, *arguments], stdout=output, stderr=output, env=dict(environment))


def forked(arguments: Sequence[str], environment: Mapping[str, str], output: BinaryIO) -> Launched:
    """Start the command in a fork: the same program in a process of its own, without the second that its imports take.

    For campaigns that kill a hundred times and more; nothing of what they look at happens before the imports are done. It finds no plugin
    that ``PYTHONPATH`` leads to.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.warm", "pytest"])
    process = context.Process(target=_become, args=(list(arguments), dict(environment), output.name), daemon=True)
    process.start()
    return _Forked(process)


class _Forked:
    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None  # noqa: S101 - it was started
        self.pid, self._process = process.pid, process

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int, /) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("agentflow", timeout or 0.0)
        return self._process.exitcode


def _become(arguments: list[str], environment: dict[str, str], output: str) -> None:
    """Be ``agentflow`` from here on."""
    with open(output, "ab", buffering=0) as file, open(os.devnull, "rb") as nothing:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["agentflow", *arguments]
    importlib.import_module("agentflow.entrypoints.cli.main").main()
