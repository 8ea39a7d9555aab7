"""Sharing, copying and importing on the command line, against one server."""

import json

import pytest

from tests.entrypoints.cli.test_commands import agentflow

__all__ = ["agentflow"]

FOREIGN = {"name": "foreign", "nodes": [{"id": "a", "type": "http", "config": {"url": "https://one.example/x"}}]}


@pytest.fixture
def command(agentflow, server):
    """Run a command against the server."""
    return lambda *arguments, stdin="": agentflow(
        *arguments, "--server", f"http://{server.netloc}", "--data-dir", server.data_dir, stdin=stdin
    )


def test_a_workflow_is_shared_by_a_link_and_copied_from_it(command):
    """Made public, opened by a link that is shown once, copied from the link, listed, and taken back."""
    command("workflows", "create", "-", stdin=json.dumps({"name": "cli-shared", "nodes": [{"id": "a", "type": "input"}]}))
    assert command("workflows", "share", "cli-shared", "--visibility", "public").stdout.splitlines()[0].endswith(": public")
    assert "cli-shared" in command("workflows", "list", "--public").stdout
    made = command("workflows", "share", "cli-shared", "--link", "--uses", "3")
    assert "?token=afw_" in made.stdout
    copied = command("workflows", "fork", made.stdout.strip(), "--name", "cli-copy")
    assert (copied.returncode, "cli-copy, version 1" in copied.stdout) == (0, True), copied
    seen = json.loads(command("workflows", "share", "cli-shared", "--json").stdout)
    (link,) = seen["links"]
    assert link["uses"] == 1
    assert command("workflows", "unshare", "cli-shared", link["id"]).returncode == 0
    gone = command("workflows", "fork", made.stdout.strip())
    assert (gone.returncode, "opens nothing" in gone.stderr) == (2, True)
    assert command("workflows", "share", "cli-shared", "--link", "--user", "owner").returncode == 2


def test_an_import_shows_what_it_uses_and_is_confirmed(command, tmp_path):
    """The preview stores nothing; without a word it does not run; --yes confirms what was shown."""
    file = tmp_path / "foreign.json"
    file.write_text(json.dumps(FOREIGN))
    look = command("import", file, "--preview")
    assert (look.returncode, look.stdout, "uses hosts: one.example" in look.stderr) == (0, "foreign can run here\n", True), look
    assert "foreign" not in command("workflows", "list").stdout
    stored = command("import", file)
    assert (stored.returncode, "agentflow workflows confirm" in stored.stderr) == (0, True), stored
    refused = command("workflows", "confirm", "foreign")
    assert (refused.returncode, "Nothing was confirmed" in refused.stderr) == (2, True)
    assert command("workflows", "confirm", "foreign", "--yes").stdout.endswith(" may run\n")
    again = json.loads(command("import", file, "--yes", "--json").stdout)
    assert again["confirmed_hash"] is not None
    file.write_text("{}")
    assert command("import", file, "--preview").returncode == 3
