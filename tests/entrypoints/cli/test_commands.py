"""The command line as a user types it: output, exit codes, and the same behaviour with and without a server."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentflow.entrypoints.cli.main import main

ROOT = Path(__file__).parents[3]
LOOP = ROOT / "examples" / "loop-until-good.json"


@pytest.fixture
def agentflow(monkeypatch):
    """Run the command in this process, so that a hundred runs import the product once, and return what it did."""
    for name in [name for name in os.environ if name.startswith("AGENTFLOW_")]:
        monkeypatch.delenv(name)

    def run(*arguments, stdin="", **environment):
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["agentflow", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in environment.items():
                patch.setenv(name, value)
            with redirect_stdout(out), redirect_stderr(err):
                code = 0
                try:
                    main()
                except SystemExit as end:
                    code = end.code or 0
        return Done(code, out.getvalue(), err.getvalue())

    return run


@dataclass(frozen=True)
class Done:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(params=["embedded", "remote"])
def where(request, tmp_path):
    """Give the options that choose this process or a server."""
    if request.param == "embedded":
        return ("--data-dir", tmp_path / "data")
    server = request.getfixturevalue("server")
    return ("--server", f"http://{server.netloc}", "--data-dir", server.data_dir)


@pytest.fixture
def spec(tmp_path):
    """Write a specification of one node and return its path."""

    def write(config="{{ inputs.x }}", **changes):
        document = {
            "name": "one",
            "inputs": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}},
            "outputs": {"y": "{{ nodes.n }}"},
            "start_node": "n",
            "nodes": [{"id": "n", "type": "transform", "config": {"value": config}}],
            "edges": [],
        }
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(document | changes))
        return path

    return write


def test_help_comes_at_once():
    """Nothing heavy is imported for help: not the engine, the server, the database layer nor the client."""
    code = (
        "import sys; sys.argv = ['agentflow', '--help']\n"
        "from agentflow.entrypoints.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'langgraph', 'fastapi', 'sqlalchemy', 'httpx', 'numpy', 'pydantic', 'rich', 'uvicorn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_prints_its_outputs_and_shows_its_nodes(agentflow, where):
    """Outputs go to standard output, progress to standard error."""
    done = agentflow("run", LOOP, "--input", "number=9", *where)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["root"] == pytest.approx(3)
    assert "✓ improve" in done.stderr
    assert "✓ succeeded" in done.stderr


def test_a_run_in_a_lane_says_when_it_waits_in_a_queue(agentflow, where, tmp_path):
    """Of two items a twentieth of a second apart the second waits, and one sees it wait."""
    document = {
        "name": "queued",
        "start_node": "a",
        "nodes": [
            {"id": "a", "type": "transform", "config": {"value": [1, 2]}},
            {"id": "each", "type": "map", "config": {"items": "{{ nodes.a }}", "node": {"type": "transform", "config": {"value": 1}}}},
        ],
        "edges": [{"from": "a", "to": "each"}],
        "queues": [
            {
                "id": "slow",
                "from": "a",
                "to": "each",
                "bandwidth": {"max_messages_per_second": 20, "burst_size": 1},
                "sub_queues": [{"id": "batch", "weight": 0.2}],
            }
        ],
    }
    file = tmp_path / "queued.json"
    file.write_text(json.dumps(document))
    done = agentflow("run", file, "--lane", "batch", *where)
    assert done.returncode == 0, done.stderr
    assert "in the queue slow" in done.stderr


def test_a_run_as_json_is_one_document(agentflow, where):
    """Machines get the run and nothing else."""
    done = agentflow("run", LOOP, "--input", "number=9", "--json", *where)
    run = json.loads(done.stdout)
    assert (run["status"], run["workflow_name"], done.stderr) == ("succeeded", "loop-until-good", "")


def test_a_run_that_fails_names_the_node_and_exits_with_1(agentflow, where, spec):
    """The cause is typed and says where."""
    done = agentflow("run", spec("{{ 1 / (inputs.x - inputs.x) }}"), "--input", "x=1", *where)
    assert done.returncode == 1
    assert "node n" in done.stderr


def test_an_invalid_specification_exits_with_3_and_lists_its_problems(agentflow, where, spec):
    """Place, code and message of each, and the hint where there is one."""
    done = agentflow("run", spec("{{ inputs.z }}", start_node="m"), "--input", "x=1", *where)
    assert done.returncode == 3
    assert "/start_node  UNKNOWN_START_NODE" in done.stderr
    assert "UNKNOWN_REFERENCE" in done.stderr


def test_an_input_that_does_not_fit_exits_with_2(agentflow, where, spec):
    """The schema is the workflow's, the message the server's."""
    done = agentflow("run", spec(), "--input", "x=many", *where)
    assert done.returncode == 2
    assert "x" in done.stderr


def test_an_unknown_input_exits_with_2(agentflow, spec):
    """Before anything is started."""
    done = agentflow("run", spec(), "--input", "xx=1")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "agentflow: The workflow has no input xx; it takes x.")


def test_broken_json_exits_with_3_and_names_the_place(agentflow, tmp_path):
    """Line and column of the fault."""
    path = tmp_path / "spec.json"
    path.write_text('{"name": }')
    done = agentflow("run", path)
    assert done.returncode == 3
    assert "line 1 column 10" in done.stderr


def test_a_server_that_is_not_there_exits_with_4(agentflow):
    """The message names it, and what to do."""
    done = agentflow("runs", "list", "--server", "http://127.0.0.1:9")
    assert done.returncode == 4
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr


def test_a_wrong_key_exits_with_2_and_says_where_keys_are(agentflow, server):
    """Not a stack trace, not silence."""
    done = agentflow("runs", "list", "--server", f"http://{server.netloc}", AGENTFLOW_API_KEY="wrong")
    assert done.returncode == 2
    assert "AGENTFLOW_API_KEY" in done.stderr


def test_a_setting_with_an_impossible_value_names_its_variable(agentflow, tmp_path):
    """A typo in the environment stops the start."""
    done = agentflow("runs", "list", "--data-dir", tmp_path, AGENTFLOW_LEASE_S="soon")
    assert done.returncode == 2
    assert "AGENTFLOW_LEASE_S" in done.stderr


def test_validate_reads_standard_input_and_makes_no_data_folder(agentflow, spec, tmp_path):
    """A look at a file leaves nothing behind."""
    done = agentflow("validate", "-", "--data-dir", tmp_path / "data", stdin=spec().read_text())
    assert (done.returncode, done.stdout) == (0, "- is valid.\n")
    assert not (tmp_path / "data").exists()


def test_validate_says_the_same_here_and_on_a_server(agentflow, where, spec):
    """One validator."""
    done = agentflow("validate", spec("{{ inputs.z }}"), "--json", *where)
    result = json.loads(done.stdout)
    assert (done.returncode, result["valid"]) == (3, False)
    assert [problem["code"] for problem in result["errors"]] == ["UNKNOWN_REFERENCE"]


def test_history_shows_a_run_its_nodes_and_its_events(agentflow, where, spec):
    """What ran can be read afterwards."""
    run = json.loads(agentflow("run", spec(), "--input", "x=1", "--json", *where).stdout)
    assert run["id"] in agentflow("runs", "list", *where).stdout
    shown = json.loads(agentflow("runs", "show", run["id"], "--json", *where).stdout)
    assert [node["node_id"] for node in shown["nodes"]] == ["n"]
    events = [json.loads(line) for line in agentflow("runs", "events", run["id"], "--json", *where).stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert agentflow("runs", "cancel", run["id"], *where).stdout == f"run {run['id']} succeeded\n"
    assert json.loads(agentflow("runs", "prune", "--dry-run", "--json", *where).stdout) == {"runs": 0, "dry_run": True}
    assert agentflow("runs", "prune", *where).stdout == "0 runs deleted\n"
    assert agentflow("runs", "delete", run["id"], *where).stdout == f"run {run['id']} deleted\n"
    assert agentflow("runs", "show", run["id"], *where).returncode == 2


def test_an_unknown_run_exits_with_2(agentflow, where):
    """Missing and not yours are the same."""
    done = agentflow("runs", "show", "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a", *where)
    assert done.returncode == 2


def test_a_workflow_goes_out_as_a_file_and_comes_back(agentflow, where, spec, tmp_path):
    """Export and import keep the specification, in YAML too."""
    name = f"one-{tmp_path.name[-12:].replace('_', '-')}"
    created = json.loads(agentflow("workflows", "create", spec(name=name), "--json", *where).stdout)
    assert name in agentflow("workflows", "list", *where).stdout
    file = tmp_path / "out.yaml"
    assert agentflow("export", name, "--format", "yaml", "--output", file, *where).returncode == 0
    assert agentflow("workflows", "delete", name, *where).returncode == 0
    assert agentflow("workflows", "show", name, *where).returncode == 2
    imported = agentflow("import", file, *where)
    assert imported.returncode == 0, imported.stderr
    assert json.loads(agentflow("workflows", "show", name, *where).stdout)["spec"] == created["spec"]


def test_a_collection_is_filled_and_searched(agentflow, where, tmp_path):
    """Markdown goes in, the nearest passage comes out."""
    name = f"c-{tmp_path.name[-12:].replace('_', '-')}"
    page = tmp_path / "page.md"
    page.write_text("# Leases\n\nA lease is the time for which a worker owns a run.\n\n# Pets\n\nKittens like yarn.\n")
    assert agentflow("collections", "create", name, *where).returncode == 0
    added = agentflow("collections", "add", name, page, *where)
    assert added.returncode == 0, added.stderr
    found = json.loads(agentflow("collections", "search", name, "young cats", "--top-k", "1", "--json", *where).stdout)
    assert "Kittens" in found["matches"][0]["text"]
    assert name in agentflow("collections", "list", *where).stdout


def test_migrate_goes_up_and_down(agentflow, tmp_path):
    """The schema is there, and can be taken away."""
    assert agentflow("migrate", "--data-dir", tmp_path).stdout.startswith("schema: 0")
    assert agentflow("migrate", "--down", "base", "--data-dir", tmp_path).stdout == "schema: empty\n"


def test_doctor_finds_an_open_key_file(agentflow, server, tmp_path):
    """A key that others can read is a fault, with the command that mends it."""
    key = tmp_path / "owner.key"
    key.write_text("secret")
    key.chmod(0o644)
    done = agentflow("doctor", "--data-dir", tmp_path)
    assert done.returncode == 1
    assert f"chmod 600 {key}" in done.stdout


def test_doctor_is_content_with_a_running_server(agentflow, server):
    """Data folder, key, schema and runs are in order."""
    done = agentflow("doctor", "--data-dir", server.data_dir, "--json")
    findings = {finding["check"]: finding["verdict"] for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {findings[name] for name in ("data folder", "owner key", "database", "schema", "runs")} == {"ok"}


def test_doctor_explains_a_run_that_nobody_drives(agentflow, tmp_path):
    """A run whose process was killed is named, with the reason and the way out."""
    document = {
        "name": "slow",
        "start_node": "wait",
        "nodes": [{"id": "wait", "type": "delay", "config": {"seconds": 25}}],
        "edges": [],
    }
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(document))
    command = [Path(sys.executable).with_name("agentflow"), "run", path, "--data-dir", tmp_path / "data"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    started = next(line for line in process.stderr if "▸ wait" in line)
    process.kill()
    process.wait()
    process.stderr.close()
    assert started
    done = agentflow("doctor", "--data-dir", tmp_path / "data")
    assert "slow, running: The process" in done.stdout
    assert "workers: none is alive" in done.stdout
    assert "agentflow serve" in done.stdout


def test_interrupting_an_embedded_run_cancels_it(agentflow, tmp_path):
    """Ctrl-C leaves no run behind that nobody drives."""
    path = tmp_path / "slow.json"
    path.write_text(json.dumps({"name": "slow", "start_node": "w", "nodes": [{"id": "w", "type": "delay", "config": {"seconds": 600}}]}))
    # Where the tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from agentflow.entrypoints.cli.main import main; main()"
    )
    command = [sys.executable, "-c", start, "run", path, "--data-dir", tmp_path / "data"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    with process:
        assert next(line for line in process.stderr if "▸ w" in line)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert process.returncode != 0
    assert time.monotonic() - began < 10
    listed = json.loads(agentflow("runs", "list", "--json", "--data-dir", tmp_path / "data").stdout)
    assert [run["status"] for run in listed["items"]] == ["cancelled"]
