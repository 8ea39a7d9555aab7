"""The compose file starts what exists: commands of ours with options they have, settings that are read, and together they do their work."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agentflow.config.settings import Settings
from agentflow.entrypoints.cli.main import app
from scripts.server_process import ServerProcess, WorkerProcess
from tests.acceptance.client import Client
from tests.acceptance.cluster import BROKERS, QUICK
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import chain
from tests.databases import new_postgres

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_service_runs_a_command_of_ours(services: dict[str, Any], name: str):
    """The command exists and takes the options that the file gives it."""
    command, *options = services[name]["command"]
    asked = CliRunner().invoke(app, [command, "--help"])
    assert asked.exit_code == 0
    assert all(option in asked.output for option in options if option.startswith("--"))


@pytest.mark.parametrize("name", ["api", "worker"])
def test_a_services_settings_are_read(services: dict[str, Any], name: str):
    """Every variable is a setting, and they make a cluster: PostgreSQL and a broker."""
    given = {key.removeprefix("AGENTFLOW_").lower(): value for key, value in services[name]["environment"].items()}
    settings = Settings(**given)
    assert settings.database.startswith("postgresql://")
    assert settings.broker_url is not None


def test_what_services_wait_for_is_in_the_file(services: dict[str, Any]):
    """A service waits only for services that there are, and for their health only where it is checked."""
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[name]


def test_the_image_is_built_from_a_file_that_is_there(services: dict[str, Any]):
    """Context and Dockerfile are found from where the compose file lies, and the image starts our command."""
    build = services["api"]["build"]
    dockerfile = (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve()
    assert 'ENTRYPOINT ["agentflow"]' in dockerfile.read_text()


def test_the_image_holds_the_installed_package_only(services: dict[str, Any]):
    """The checkout with its history and tests stays in the stage that builds; packages come by the hashes of the lock."""
    build = services["api"]["build"]
    text = (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve().read_text()
    building, final = text.split("\nFROM ")[1:]
    assert "COPY . /src" in building
    assert [line for line in final.splitlines() if line.startswith("COPY")] == ["COPY --from=build /opt/agentflow /opt/agentflow"]
    assert "--require-hashes" in building
    assert "--frozen --no-dev --no-editable" in building
    assert "USER agentflow" in final


def test_only_what_the_build_reads_reaches_it():
    """Nothing of the checkout but what is named, above all no key of .agentflow; and what is named is what the package is made of."""
    everything, *lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    named = {line.removeprefix("!/") for line in lines if line.startswith("!")}
    assert everything == "*"
    assert named == {"LICENSE", "README.md", "migrations", "pyproject.toml", "scripts/uv.txt", "src", "uv.lock"}
    assert all((ROOT / name).exists() for name in named)


def test_all_services_come_back_with_the_machine(services: dict[str, Any]):
    """None of them is left out when Docker starts again."""
    assert {service["restart"] for service in services.values()} == {"unless-stopped"}


@pytest.mark.slow
async def test_the_services_of_the_file_bring_a_run_to_its_end(services: dict[str, Any], tmp_path: Path):
    """Server and two workers with the settings of the file and one data volume for all of them, as `--scale worker=2` starts them."""
    given = {key.removeprefix("AGENTFLOW_").lower() for key in services["api"]["environment"]}
    assert services["worker"]["environment"] == services["api"]["environment"]
    assert services["worker"]["volumes"] == services["api"]["volumes"] == ["data:/data"]
    with ExitStack() as stack:
        here = {
            "database_url": stack.enter_context(new_postgres()),
            "broker_url": BROKERS["rabbitmq"],
            "redis_url": BROKERS["redis"],
            "object_store_url": f"file://{tmp_path / 'data' / 'objects'}",
        }
        assert here.keys() == given
        processes = [kind(tmp_path / "data", None, QUICK | here) for kind in (ServerProcess, WorkerProcess, WorkerProcess)]
        for process in processes:
            stack.callback(process.kill)
            process.start()
        sink = stack.enter_context(Sink(tmp_path / "sink.jsonl"))
        client = Client(processes[0])
        workflow = await client.store(chain(sink))
        await client.start(workflow, "once")
        await client.ended(client.promised["once"])
        run = await client.get(f"/runs/{client.promised['once']}")
        await client.close()
        assert run["status"] == "succeeded"
        assert [process.stop() for process in processes] == [0, 0, 0]
