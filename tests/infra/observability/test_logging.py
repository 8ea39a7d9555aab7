"""Log lines, ours and those of libraries, as people and machines read them."""

import json
import logging

import pytest
import structlog

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
    """Local variables may hold secrets: neither form prints them."""
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
