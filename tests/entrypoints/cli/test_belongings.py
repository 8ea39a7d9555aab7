"""Secrets, variables, sources and the audit log on the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.entrypoints.cli.test_commands import agentflow

__all__ = ["agentflow"]

VALUE = "cli-canary-4711"


@pytest.fixture
def command(agentflow, tmp_path):
    """Run a command on the test's own data folder."""
    return lambda *arguments, stdin="": agentflow(*arguments, "--data-dir", tmp_path / "data", stdin=stdin)


def test_a_secret_is_piped_in_and_never_shown(command):
    """Stored, replaced, listed and deleted; the value is in no output."""
    done = [
        command("secrets", "set", "TOKEN", "--description", "of the shop", stdin=VALUE + "\n"),
        command("secrets", "set", "TOKEN", stdin=VALUE + "-2"),
        command("secrets", "list"),
        command("secrets", "list", "--json"),
        command("secrets", "delete", "TOKEN"),
    ]
    assert [each.returncode for each in done] == [0] * 5, done
    assert [done[0].stdout, done[1].stdout] == ["secret TOKEN: stored\n", "secret TOKEN: replaced, version 2\n"]
    assert json.loads(done[3].stdout)["items"][0]["description"] == "of the shop"
    assert all(VALUE not in each.stdout + each.stderr for each in done)


@pytest.mark.parametrize(("stdin", "says"), [("", "No value"), ("abc", "at least 4"), (VALUE, "/api/v1/secrets lists")])
def test_what_cannot_be_done_says_why(command, stdin, says):
    """No value, too short a one, and a secret that is not there."""
    done = command("secrets", "delete", "NONE") if stdin == VALUE else command("secrets", "set", "TOKEN", stdin=stdin)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_secret_is_asked_for_at_a_terminal_without_showing_it(tmp_path):
    """What is typed is not echoed."""
    import pty

    controller, terminal = pty.openpty()
    program = [Path(sys.executable).with_name("agentflow"), "secrets", "set", "TOKEN", "--data-dir", tmp_path / "data"]
    with subprocess.Popen(program, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        shown = b""
        while b"Value of TOKEN: " not in shown:
            shown += os.read(controller, 1000)
        os.write(controller, VALUE.encode() + b"\n")
        while b"stored" not in shown:
            shown += os.read(controller, 1000)
        assert process.wait(30) == 0
    os.close(terminal)
    os.close(controller)
    assert VALUE.encode() not in shown


def test_variables_and_sources_are_kept_and_tried(command, tmp_path):
    """A value is JSON where it reads as such; a source that does not answer ends with 1."""
    assert command("variables", "set", "limits", stdin='{"most": 3}').stdout == "variable limits: stored\n"
    assert command("variables", "set", "word", "--text", stdin="3").returncode == 0
    assert [item["value"] for item in json.loads(command("variables", "list", "--json").stdout)["items"]] == [{"most": 3}, "3"]
    config = tmp_path / "shop.yaml"
    config.write_text("path: shop.db\n")
    assert command("sources", "set", "shop", config, "--kind", "db").stdout == "source shop: stored\n"
    assert command("sources", "set", "shop", config, "--kind", "http").returncode == 2
    assert "kind" in command("sources", "set", "other", config).stderr
    tried = command("sources", "test", "shop")
    assert (tried.returncode, tried.stdout.split(":")[0]) == (1, "DB_CONNECT"), tried
    assert "shop\tdb\t1" in command("sources", "list").stdout
    for what in (("sources", "shop"), ("variables", "limits"), ("variables", "word")):
        assert command(what[0], "delete", what[1]).returncode == 0


def test_the_audit_log_is_listed_exported_and_verified(command, tmp_path):
    """On the server and from the exported file; an altered file ends with 1 and names the record."""
    for name in ("a", "b", "c"):
        command("variables", "set", name, stdin="1")
    assert command("audit", "list", "--action", "variable").stdout.count("variable.created") == 3
    verified = command("audit", "verify", "--json")
    assert verified.returncode == 0
    report = json.loads(verified.stdout)
    (tmp_path / "anchors").write_text(json.dumps(report["head"]))
    log = tmp_path / "log.jsonl"
    assert command("audit", "export", log).returncode == 0
    good = command("audit", "verify", log, "--anchors", tmp_path / "anchors", "--public-key", report["public_key"])
    assert (good.returncode, good.stdout.split(":")[0]) == (0, "intact"), good
    lines = log.read_text().splitlines()
    third_last = lines[-3].replace('"owner"', '"mallory"')
    assert third_last != lines[-3]
    log.write_text("\n".join([*lines[:-3], third_last, *lines[-2:]]))
    bad = command("audit", "verify", log)
    assert (bad.returncode, f"Record {len(lines) - 2} was changed" in bad.stdout) == (1, True)
    log.write_text("\n".join(lines[:2]))
    assert "are missing" in command("audit", "verify", log, "--anchors", tmp_path / "anchors").stdout
    assert command("audit", "export", log).returncode == 2


def test_the_master_key_is_changed(command, tmp_path):
    """The file holds another key afterwards, and what was stored still opens."""
    command("secrets", "set", "TOKEN", stdin=VALUE)
    before = (tmp_path / "data" / "master.key").read_text()
    assert command("secrets", "rotate-master-key").returncode == 0
    assert (tmp_path / "data" / "master.key").read_text() != before
    (tmp_path / "data" / "master.key").write_text(before)
    refused = command("secrets", "list")
    assert (refused.returncode, "master key" in refused.stderr) == (4, True)
