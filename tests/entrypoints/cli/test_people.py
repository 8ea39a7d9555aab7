"""Runs that ask, on the command line."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

AGENTFLOW = Path(sys.executable).with_name("agentflow")
FORM = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}
SPEC = {
    "name": "pay",
    "start_node": "ask",
    "nodes": [
        {"id": "ask", "type": "human", "config": {"title": "Pay?", "mode": "form", "json_schema": FORM}},
        {"id": "out", "type": "transform", "config": {"value": "{{ nodes.ask.values.amount }}"}},
    ],
    "edges": [{"from": "ask", "to": "out"}],
}


@pytest.fixture
def spec(tmp_path):
    """Give a file with a workflow that asks."""
    path = tmp_path / "pay.json"
    path.write_text(json.dumps(SPEC))
    return path


def agentflow(folder, *arguments):
    """Run a command on a data folder and return what it did."""
    command = [AGENTFLOW, *arguments, "--data-dir", folder]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_a_run_that_asks_is_left_listed_and_answered(tmp_path, spec):
    """Without a terminal the command says how to answer; the answer takes the run to its end."""
    left = agentflow(tmp_path, "run", spec)
    assert left.returncode == 5, left.stderr
    assert "agentflow runs answer" in left.stderr
    (asked,) = json.loads(agentflow(tmp_path, "runs", "inbox", "--json").stdout)["items"]
    assert asked["run_id"] in left.stderr
    wrong = agentflow(tmp_path, "runs", "answer", asked["run_id"], "--value", "amount=much")
    assert (wrong.returncode, "/values/amount" in wrong.stderr) == (2, True)
    done = agentflow(tmp_path, "runs", "answer", asked["run_id"], "ask", "--value", "amount=120", "--comment", "ok")
    assert (done.returncode, done.stdout) == (0, "120\n"), done.stderr
    assert json.loads(agentflow(tmp_path, "runs", "inbox", "--json").stdout)["items"] == []


def at_terminal(folder, lines, *arguments):
    """Run a command at a terminal on which somebody types, each line once it is asked for; returns what was shown and the exit code."""
    controller, terminal = pty.openpty()
    command = [AGENTFLOW, *arguments, "--data-dir", folder]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "dumb"}) as process:
        os.close(terminal)
        shown, typed = "", 0
        while data := _read(controller):
            shown += data
            if typed < len(lines) and shown.endswith(": "):
                os.write(controller, f"{lines[typed]}\n".encode())
                typed += 1
        code = process.wait()
    os.close(controller)
    return shown, code


def _read(descriptor):
    try:
        return os.read(descriptor, 65_536).decode()
    except OSError:  # the other side is closed
        return ""


def test_at_a_terminal_the_person_is_asked(tmp_path, spec):
    """A wrong answer is told and asked again; the right one takes the run to its end."""
    shown, code = at_terminal(tmp_path, ['{"amount": "much"}', "", '{"amount": 80}', "seen"], "run", spec)
    assert code == 0, shown
    assert "? Pay?" in shown
    assert "/values/amount" in shown
    assert shown.count("values (JSON") == 2


def test_stepping_shows_what_each_node_would_run_with(tmp_path):
    """`--step` stops before every node, `finish` runs on to the end."""
    nodes = [
        {"id": name, "type": "transform", "config": {"value": value}} for name, value in (("a", 1), ("b", "{{ nodes.a + 1 }}"), ("c", 3))
    ]
    path = tmp_path / "steps.json"
    edges = [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]
    path.write_text(json.dumps({"name": "s", "start_node": "a", "nodes": nodes, "edges": edges}))
    shown, code = at_terminal(tmp_path, ["continue", "finish"], "run", path, "--step")
    assert code == 0, shown
    assert 'config: {"value":1}' in shown
    assert 'config: {"value":2}' in shown
    assert "stopped before c" not in shown
    left = agentflow(tmp_path, "run", path, "--break-before", "c")
    assert (left.returncode, "--decision continue|finish" in left.stderr) == (5, True)
    assert agentflow(tmp_path, "run", path, "--break-after", "b").returncode == 5
    assert agentflow(tmp_path, "run", path, "--break-before", "x").returncode == 2
