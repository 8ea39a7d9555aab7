"""What somebody reads whose server cannot start: one line that says what is missing, and the way out."""

import os
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agentflow.entrypoints.cli.connect import load_settings
from agentflow.entrypoints.cli.exits import CliError

AGENTFLOW = Path(sysconfig.get_path("scripts")) / "agentflow"
NOBODY = "postgresql://somebody:hunter2@127.0.0.1:9/agentflow"


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to give up."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENTFLOW_")}
    environment |= {f"AGENTFLOW_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run([AGENTFLOW, "serve", "--port", "0"], env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"database_url": NOBODY}, "The database at 127.0.0.1:9, database agentflow cannot be used: "),
        ({"database_url": f"{NOBODY}?sslmode=verify-full&sslrootcert=/nowhere.crt"}, "sslrootcert"),
        ({"database_url": "sqlite:////proc/nowhere/agentflow.db"}, "The folder /proc/nowhere cannot be made"),
        ({"data_dir": "/proc/nowhere"}, "The data folder /proc/nowhere cannot be made"),
        (
            {"require_tls": "true", "database_url": NOBODY.replace("127.0.0.1", "database")},
            "require_tls forbids the address in database_url",
        ),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    """No traceback, no password, a hint, and an exit code that is not 0."""
    ended = start(**{"data_dir": str(tmp_path)} | settings)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "plain", "encrypted"),
    [
        ("database_url", "postgresql://db/agentflow?sslmode=require", "postgresql://db/agentflow?sslmode=verify-full"),
        ("redis_url", "redis://cache:6379/0", "rediss://cache:6379/0"),
        ("broker_url", "amqp://broker//", "amqps://broker//"),
        ("otlp_endpoint", "http://collector:4318", "https://collector:4318"),
        ("malware_scanner", "tcp://clamd:3310", "unix:///run/clamav/clamd.ctl"),
        ("smtp_url", "smtp://mail:25", "smtp://user:password@mail:587"),
    ],
)
def test_addresses_of_other_machines_have_to_be_encrypted_where_that_is_demanded(
    monkeypatch: pytest.MonkeyPatch, name: str, plain: str, encrypted: str
) -> None:
    """A plain one is refused by the name of its setting; on this machine it is fine, and without the demand everywhere."""
    variable = f"AGENTFLOW_{name.upper()}"
    monkeypatch.setenv(variable, plain)
    load_settings(None)
    monkeypatch.setenv("AGENTFLOW_REQUIRE_TLS", "true")
    with pytest.raises(CliError, match=name):
        load_settings(None)
    for allowed in (encrypted, plain.replace(str(urlsplit(plain).hostname), "127.0.0.1")):
        monkeypatch.setenv(variable, allowed)
        load_settings(None)


def test_every_node_of_a_cluster_has_to_be_encrypted_or_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node elsewhere is enough for a refusal."""
    monkeypatch.setenv("AGENTFLOW_REQUIRE_TLS", "true")
    monkeypatch.setenv("AGENTFLOW_REDIS_URL", "redis+cluster://127.0.0.1:6379,cache:6379")
    with pytest.raises(CliError, match="redis_url"):
        load_settings(None)
    for allowed in ("redis+cluster://127.0.0.1:6379,[::1]:6380", "rediss+cluster://127.0.0.1:6379,cache:6379"):
        monkeypatch.setenv("AGENTFLOW_REDIS_URL", allowed)
        load_settings(None)


def test_a_socket_of_this_machine_needs_no_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a file."""
    monkeypatch.setenv("AGENTFLOW_REQUIRE_TLS", "true")
    for url in ("postgresql:///agentflow?host=/run/postgresql", "sqlite:////var/lib/agentflow.db"):
        monkeypatch.setenv("AGENTFLOW_DATABASE_URL", url)
        load_settings(None)
