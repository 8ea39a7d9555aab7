"""A run's events as lines."""

import io

from agentflow.entrypoints.cli.printer import Printer
from agentflow.entrypoints.cli.progress import Progress, duration


def shown(*events):
    out = io.StringIO()
    progress = Progress(Printer(out=out, progress=out))
    for kind, node, data in events:
        progress.show({"type": kind, "node_id": node, "data": data, "seq": 1})
    return out.getvalue()


def test_a_node_is_shown_when_it_starts_and_when_it_ends():
    """One line each, with type, time and tokens."""
    text = shown(
        ("node.started", "answer", {"type": "llm"}),
        ("node.completed", "answer", {"duration_ms": 1234.5, "usage": {"total_tokens": 7}}),
    )
    assert text == "  ▸ answer (llm)\n  ✓ answer 1.2 s, 7 tokens\n"


def test_tokens_stream_as_they_come_and_end_with_a_line():
    """The next event never stands on the line of the text."""
    text = shown(
        ("node.token", "a", {"text": "Hel"}), ("node.token", "a", {"text": "lo\nyou"}), ("node.completed", "a", {"duration_ms": 5})
    )
    assert text == "    Hello\n    you\n  ✓ a 5 ms\n"


def test_text_of_two_nodes_is_kept_apart():
    """Parallel models speak on lines of their own."""
    assert shown(("node.token", "a", {"text": "one"}), ("node.token", "b", {"text": "two"})) == "    one\n    two"


def test_what_a_model_writes_cannot_steer_the_terminal():
    """S152: escape sequences lose their escape."""
    assert "\x1b" not in shown(("node.token", "a", {"text": "\x1b[2J\x07hi"}), ("log", "a", {"message": "\x1b[31m"}))


def test_a_failure_says_code_and_message():
    """The typed cause is on the line of the node."""
    assert "✗ fetch: HTTP_STATUS answered 503" in shown(
        ("node.failed", "fetch", {"error": {"code": "HTTP_STATUS", "message": "answered 503"}})
    )


def test_an_event_of_a_kind_not_yet_invented_is_passed_over():
    """A newer server may say more."""
    assert shown(("node.dreamt", "a", {}), ("run.paused", None, {}), ("other", None, {})) == ""


def test_durations_read_well():
    """Milliseconds below a second, seconds above."""
    assert [duration(value) for value in (0.1234, 8.21, 412.5, 12_340.0, None)] == ["0.123 ms", "8.21 ms", "412 ms", "12.3 s", ""]
