"""What bandit finds.

An exception is written once, for ruff, which knows bandit's rules under S: `# noqa: S608 - why`, or in pyproject.toml. Where ruff sees
nothing, `# nosec B608 - why` stands instead.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LEFT_OUT = ("B404",)
"""That subprocess is imported says nothing; what is done with it is looked at."""


def unexplained(
    findings: Sequence[Mapping[str, Any]], by_file: Mapping[str, Sequence[str]], lines: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the findings without an exception in their lines, or for their file."""
    wrong = []
    for finding in findings:
        name, code = finding["filename"].removeprefix("./"), finding["test_id"].replace("B", "S", 1)
        if any(fnmatch(name, pattern) and code.startswith(tuple(codes)) for pattern, codes in by_file.items()):
            continue
        concerned = (lines[name][number - 1] for number in finding["line_range"])
        if not any(re.search(rf"# (noqa: |nosec )[A-Z0-9, ]*\b({code}|{finding['test_id']})\b", line) for line in concerned):
            wrong.append(f"{name}:{finding['line_number']}: {finding['test_id']} {finding['issue_text']}")
    return wrong


def check(folders: Sequence[str]) -> list[str]:
    """Return what bandit finds in folders, and nothing excuses."""
    command: list[str | Path] = [
        Path(sys.executable).with_name("bandit"),
        "--quiet",
        "--recursive",
        "--format",
        "json",
        "--skip",
        ",".join(LEFT_OUT),
        *folders,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    report = json.loads(done.stdout)
    lines = {
        name: (ROOT / name).read_text().splitlines() for name in {finding["filename"].removeprefix("./") for finding in report["results"]}
    }
    by_file = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
    return [str(error) for error in report["errors"]] + unexplained(report["results"], by_file, lines)
