"""How many checkpoints share a commit on PostgreSQL, with 64 runs at a time whose every step makes a checkpoint."""

import urllib.request

from benchmarks.report import Figure
from benchmarks.setting import load, postgres, server, store
from benchmarks.specs import branching
from scripts.server_process import ServerProcess

AT_A_TIME = 64
AT_LEAST = 8
_CHECKPOINTS, _COMMITS = "agentflow_checkpoint_bytes_count", "agentflow_group_commits_total"


def measure() -> list[Figure]:
    """Measure with runs that branch and join, so that the engine's graph drives them step by step."""
    with postgres() as url, server(url) as process:
        workflow = store(process, branching(5))
        load(process, workflow, seconds=1.5, concurrency=AT_A_TIME)
        before = _counts(process)
        per_s = load(process, workflow, seconds=5, concurrency=AT_A_TIME)["per_s"]
        checkpoints, commits = (after - earlier for after, earlier in zip(_counts(process), before, strict=True))
    shared = checkpoints / commits
    return [
        Figure(f"checkpoints per commit, PostgreSQL, {AT_A_TIME} runs at a time", shared, "", f"≥ {AT_LEAST}", shared >= AT_LEAST),
        Figure("  runs of five forks and joins meanwhile", per_s, "runs/s"),
    ]


def _counts(process: ServerProcess) -> tuple[float, float]:
    """Return how many checkpoints were made and how many commits."""
    request = urllib.request.Request(f"{process.url}/metrics", headers={"X-API-Key": process.key})
    with urllib.request.urlopen(request) as answer:
        lines = answer.read().decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    checkpoints, commits = (
        sum(float(value) for name, _, value in samples if name.partition("{")[0] == wanted) for wanted in (_CHECKPOINTS, _COMMITS)
    )
    return checkpoints, commits
