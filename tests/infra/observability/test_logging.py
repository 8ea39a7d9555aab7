"""Log lines, ours and those of libraries, as people and machines read them."""

import json
import logging

import pytest
import structlog

from agentflow.infra.observability.context import context_of, enter_node, leave_node
from agentflow.infra.observability.logging import configure_logging


@pytest.fixture(autouse=True)
def restore():
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_machines_get_one_json_object_a_line(capsys):
    """Our events and those of libraries have the same form, with what is bound to the request."""
    configure_logging("info", "json")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("ours").warning("slow", ms=3)
        logging.getLogger("uvicorn.error").error("library says %s", "no")
    ours, theirs = lines(capsys)
    assert ours | {"timestamp": ""} == {"event": "slow", "ms": 3, "level": "warning", "logger": "ours", "request_id": "r1", "timestamp": ""}
    assert (theirs["event"], theirs["level"], theirs["logger"], theirs["request_id"]) == ("library says no", "error", "uvicorn.error", "r1")


def test_less_severe_lines_are_left_out(capsys):
    """The level holds for us and for libraries; chatty ones speak only of trouble."""
    configure_logging("warning", "json")
    structlog.get_logger("ours").info("quiet")
    logging.getLogger("any.library").info("quiet")
    configure_logging("info", "json")
    logging.getLogger("httpx").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_stack_trace_shows_no_values(capsys, form):
    """S107: local variables may hold secrets: neither form prints them."""
    configure_logging("info", form)
    try:
        password = "hunter2"
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("ours").exception("failed")
        del password
    printed = capsys.readouterr().err
    assert "broken" in printed
    assert "test_logging" in printed
    assert "hunter2" not in printed.replace('password = "hunter2"', "")


FORGED = "ok\n2026-11-21 [error] forged\r\x1b[2Jcleared\x9b1m\u2028line\u202eturned"


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_that_is_logged_can_forge_a_line_or_command_a_terminal(capsys, form):
    """S58: line breaks, escapes and marks of direction in values, names of loggers and messages of libraries are shown, not obeyed."""
    configure_logging("info", form)
    structlog.get_logger("ours").info(FORGED, value=FORGED, nested={"a": [FORGED]})
    logging.getLogger("library").warning("said %s", FORGED)
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 2
    assert not set("\r\x1b\x9b\u2028\u202e") & set(printed)
    assert "cleared" in printed
    if form == "json":
        first = json.loads(printed.splitlines()[0])
        assert (first["event"], first["value"], first["nested"]) == (FORGED, FORGED, {"a": [FORGED]})


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_message_of_an_exception_cannot_either(capsys, form):
    """S58: every line of a stack trace is marked as one."""
    configure_logging("info", form)
    try:
        raise RuntimeError(FORGED)
    except RuntimeError:
        structlog.get_logger("ours").exception("failed")
    first, *trace = capsys.readouterr().err.splitlines()
    assert "failed" in first
    assert all(line.startswith("  | ") for line in trace)
    assert not set("\r\x1b\x9b\u2028\u202e") & set("".join(trace))


def test_lines_about_a_run_name_it_and_its_node(capsys):
    """In a run's own context its ids are in every line, also those of libraries; nothing of the request that started it leaks in."""
    configure_logging("info", "json")

    class Run:
        def log_fields(self):
            return {"run_id": "r", "tenant_id": "t", "request_id": "q", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "workflow": None}

    def work():
        token = enter_node("fetch")
        logging.getLogger("library").warning("in a node")
        leave_node(token)
        structlog.get_logger("ours").info("in a run")

    with structlog.contextvars.bound_contextvars(request_id="another"):
        context_of(Run()).run(work)
    node, run = lines(capsys)
    known = {"run_id": "r", "tenant_id": "t", "request_id": "q", "trace_id": "a" * 32}
    assert {name: node.get(name) for name in (*known, "node_id")} == {**known, "node_id": "fetch"}
    assert {name: run.get(name) for name in known} == known
    assert "node_id" not in run
