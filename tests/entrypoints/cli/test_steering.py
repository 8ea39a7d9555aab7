"""Pausing runs and sending them events, on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

AGENTFLOW = Path(sys.executable).with_name("agentflow")
WAITS = {
    "name": "order",
    "start_node": "wait",
    "nodes": [
        {"id": "wait", "type": "wait_for_event", "config": {"event": "paid", "key": "7"}},
        {"id": "out", "type": "transform", "config": {"value": "{{ nodes.wait.data.amount }}"}},
    ],
    "edges": [{"from": "wait", "to": "out"}],
}


@pytest.fixture
def agentflow(server):
    """Run a command against a server and return what it did."""

    def run(*arguments):
        command = [AGENTFLOW, *arguments, "--server", f"http://{server.netloc}", "--data-dir", server.data_dir]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    return run


def test_a_run_is_paused_sent_its_event_and_resumed(agentflow, tmp_path):
    """What comes meanwhile is kept; bad JSON is refused before anything is sent."""
    path = tmp_path / "order.json"
    path.write_text(json.dumps(WAITS))
    left = agentflow("run", path)
    assert left.returncode == 5, left.stderr
    run_id = json.loads(agentflow("runs", "list", "--json").stdout)["items"][0]["id"]
    paused = agentflow("runs", "pause", run_id)
    assert (paused.returncode, "paused since" in paused.stdout) == (0, True), paused.stderr
    bad = agentflow("runs", "send", "paid", "--key", "7", "--data", "{paid")
    assert (bad.returncode, "--data is not followed by JSON" in bad.stderr) == (2, True)
    assert agentflow("runs", "send", "paid", "--key", "8").stdout == "delivered to 0 waiting nodes\n"
    assert agentflow("runs", "send", "paid", "--key", "7", "--data", '{"amount": 120}').stdout == "delivered to 1 waiting nodes\n"
    resumed = agentflow("runs", "resume", run_id)
    assert (resumed.returncode, "not paused" in resumed.stdout) == (0, True), resumed.stderr
    assert agentflow("runs", "events", run_id).returncode == 0
    assert agentflow("runs", "show", run_id).stdout.endswith("120\n")
    late = agentflow("runs", "signal", run_id, "paid", "--data", "1")
    assert (late.returncode, "cannot reach it" in late.stderr) == (2, True)


def test_artifacts_are_sent_listed_linked_fetched_and_deleted(agentflow, tmp_path):
    """A file comes back to the byte, by the key's holder and by the link's; nothing is overwritten."""
    path = tmp_path / "report.txt"
    path.write_bytes(b"report")
    sent = json.loads(agentflow("artifacts", "send", path, "--json").stdout)
    assert (sent["name"], sent["size"]) == ("report.txt", 6)
    assert sent["id"] in agentflow("artifacts", "list").stdout
    fetched = agentflow("artifacts", "get", sent["id"], "--output", tmp_path / "copy.txt")
    assert (fetched.returncode, (tmp_path / "copy.txt").read_bytes()) == (0, b"report"), fetched.stderr
    again = agentflow("artifacts", "get", sent["id"], "--output", tmp_path / "copy.txt")
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    link = agentflow("artifacts", "link", sent["id"], "--expires-in", "60").stdout.strip()
    code = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())"
    assert subprocess.run([sys.executable, "-c", code, link], capture_output=True, text=True, check=True).stdout == "report"
    assert agentflow("artifacts", "delete", sent["id"]).returncode == 0
    gone = agentflow("artifacts", "get", sent["id"], "--output", tmp_path / "other.txt")
    assert (gone.returncode, (tmp_path / "other.txt").exists()) == (2, False)
