"""Generated requests against the OpenAPI document: no server error, and every answer as the document says."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import server

__all__ = ["server"]

CASES = int(os.environ.get("AGENTFLOW_FUZZ_CASES", "200"))
THOROUGH = 1_000
"""From so many cases on, every combination of boundary values and sequences of calls are tried too."""


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_answer_is_as_the_document_says(server, tmp_path):
    """All checks of schemathesis hold, over examples and generated requests, against a real server."""
    phases = "examples,coverage,fuzzing,stateful" if CASES >= THOROUGH else "examples,fuzzing"
    key, document = (server.data_dir / "owner.key").read_text().strip(), f"http://{server.netloc}/api/v1/openapi.json"
    paths = httpx.get(document, headers={"X-API-Key": key}).json()["paths"]
    each = max(1, CASES // sum(len(operations) for operations in paths.values()))
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", Path(__file__).with_name("schemathesis.toml")),
        *("run", document, "-H", f"X-API-Key: {key}"),
        *("--checks", "all", "--phases", phases, "--max-examples", str(each), "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1_700, check=False)
    assert result.returncode == 0, result.stdout
