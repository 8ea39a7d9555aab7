"""Generated requests against the OpenAPI document, by four kinds of callers: no server error, and every answer as the document says."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import started

CASES = int(os.environ.get("AGENTFLOW_FUZZ_CASES", "200"))
"""Cases of all callers together."""
THOROUGH = 1_000
"""From so many cases on, every combination of boundary values and sequences of calls are tried too, by each caller."""
PHASES = {"anonymous": "examples", "guest": "examples", "viewer": "examples", "owner": "examples,fuzzing"}
"""With fewer cases only the owner, before whom no door is shut, sends generated requests, and the others a share of the examples each."""
WITHOUT_LIMITS = dict.fromkeys(("rate_limit_strangers", "rate_limit_sign_in", "rate_limit_misses"), "0")
"""A limit that is reached hides what is behind it."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """Give a server that takes guests, and its callers: the header of each."""
    with started(tmp_path_factory.mktemp("fuzzed"), guest_access="true", login_attempts="1000", **WITHOUT_LIMITS) as server:
        base = f"http://{server.netloc}/api/v1"
        owner = {"X-API-Key": (server.data_dir / "owner.key").read_text().strip()}
        account = httpx.post(f"{base}/users", headers=owner, json={"username": "fuzz", "kind": "service", "roles": ["viewer"]}).json()
        viewer = httpx.post(f"{base}/api-keys", headers=owner, json={"name": "fuzz", "user_id": account["id"]}).json()
        guest = httpx.post(f"{base}/auth/guest").json()
        yield (
            base,
            {
                "anonymous": None,
                "guest": f"Authorization: Bearer {guest['access_token']}",
                "viewer": f"X-API-Key: {viewer['secret']}",
                "owner": f"X-API-Key: {owner['X-API-Key']}",
            },
        )


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("caller", PHASES)  # the owner is the last: what generated requests delete, nobody misses any more
def test_every_answer_is_as_the_document_says(fuzzed, tmp_path, caller):
    """All checks of schemathesis hold, over examples and generated requests, against a real server."""
    base, callers = fuzzed
    phases = "examples,coverage,fuzzing,stateful" if CASES >= THOROUGH else PHASES[caller]
    document = f"{base}/openapi.json"
    paths = httpx.get(document).json()["paths"]
    operations = sorted(operation["operationId"] for operations in paths.values() for operation in operations.values())
    each = max(1, CASES // len(PHASES) // len(operations))
    share = [] if CASES >= THOROUGH or caller == "owner" else operations[list(PHASES).index(caller) :: len(PHASES) - 1]
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--no-color", "--config-file", Path(__file__).with_name("schemathesis.toml")),
        *("run", document, *(("-H", callers[caller]) if callers[caller] else ())),
        *(f"--include-operation-id={name}" for name in share),
        *("--checks", "all", "--phases", phases, "--max-examples", str(each), "--continue-on-failure"),
        *("--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"),
    ]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1_700, check=False)
    assert result.returncode == 0, result.stdout
