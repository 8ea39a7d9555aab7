"""From the command to the first answer, on an empty data folder and on one that exists; and the command line's own start."""

import compileall
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import agentflow
from benchmarks.report import Figure, at_most
from scripts.server_process import ServerProcess


def measure() -> list[Figure]:
    """Measure; the best of three, since a start is short and the machine is shared."""
    compileall.compile_dir(Path(agentflow.__file__).parent, quiet=1)  # as it is installed; an edited tree would be compiled at each start
    fresh, again = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            process = ServerProcess(Path(folder) / "data")
            fresh.append(process.start())
            process.stop()
            again.append(process.start())
            process.stop()
    command: list[str | Path] = [Path(sys.executable).with_name("agentflow"), "--help"]
    helps = []
    for _ in range(5):
        begin = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        helps.append((time.monotonic() - begin) * 1e3)
    return [
        at_most("cold start to first answer, first time", min(fresh), 2.5, "s"),
        at_most("cold start to first answer", min(again), 2.5, "s"),
        at_most("agentflow --help", min(helps), 300, "ms"),
    ]
