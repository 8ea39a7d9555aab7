"""Rivals that are not among our dependencies: each runs in an environment of its own, which uv makes from the package index."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

UV = Path(".tools/bin/uv")
DBOS = ("dbos==3.4.*", "fastapi", "uvicorn", "httpx", "psycopg[binary]")
PREFECT = ("prefect==3.*", "asyncpg", "fastapi<0.120")  # newer ones lack what its server asks for


def apart(module: str, requirements: Sequence[str], *arguments: object) -> dict[str, Any]:
    """Run a module of this package with other packages than ours, and return the JSON of its last line.

    Raises:
        CalledProcessError: the packages could not be had, or the module failed.
    """
    given = [word for requirement in requirements for word in ("--with", requirement)]
    script = [str(Path(__file__).with_name(f"{module}.py")), *map(str, arguments)]
    command = [str(UV if UV.exists() else "uv"), "run", "--quiet", "--isolated", "--no-project", *given, "python", *script]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=540, env=environment)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
