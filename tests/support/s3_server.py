"""A server that speaks S3, with one bucket; packages import the fixture into their ``conftest``."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BUCKET = "agentflow"


@dataclass(frozen=True)
class S3:
    """Where it listens, and the environment in which a client finds it."""

    endpoint: str
    url: str = f"s3://{BUCKET}/objects"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """Start the server on a free port."""
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            announced = next(line for line in process.stderr if "Running on" in line)
            endpoint = announced.split("Running on", 1)[1].strip()
            with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"), timeout=30):
                yield S3(endpoint)
        finally:
            process.terminate()
            process.stderr.close()
