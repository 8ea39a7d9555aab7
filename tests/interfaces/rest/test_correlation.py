"""The headers that go around every answer."""

import pytest
import structlog

from agentflow.kit.ids import is_id


@pytest.fixture
def lines():
    """Collect log lines with what is bound to them."""
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as found:
        yield found


async def test_an_id_of_the_caller_is_answered_and_logged(anonymous, lines):
    """A sane X-Request-ID and the trace of traceparent stand in the answer and in every log line."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "call-7.a_b~c", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    answer = await anonymous.get("/health/live", headers=headers)
    assert answer.headers["x-request-id"] == "call-7.a_b~c"
    line = next(line for line in lines if line["event"] == "request")
    assert (line["request_id"], line["trace_id"], line["parent_span_id"]) == ("call-7.a_b~c", trace, "00f067aa0ba902b7")
    assert (line["method"], line["path"], line["status"]) == ("GET", "/health/live", 200)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ü", "a\tb", '"quoted"'])
async def test_an_id_that_is_no_token_is_replaced(anonymous, given):
    """What could break a log line is not taken over."""
    answer = await anonymous.get("/health/live", headers={"X-Request-ID": given.encode()})
    assert is_id(answer.headers["x-request-id"])


@pytest.mark.parametrize("given", ["", "00-0-0-0", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{'a' * 32}-{'b' * 16}-01"])
async def test_a_broken_trace_is_ignored(anonymous, lines, given):
    """An invalid traceparent is as none."""
    assert (await anonymous.get("/health/live", headers={"traceparent": given})).status_code == 200
    assert all("trace_id" not in line for line in lines)


async def test_every_answer_tells_browsers_to_be_careful(anonymous):
    """S132: also errors carry the headers that forbid sniffing, framing, referring and caching."""
    for path in ("/health/live", "/nothing", "/api/v1/runs"):
        headers = (await anonymous.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]


async def test_a_fault_of_ours_tells_nothing_of_the_inside(client, app, lines):
    """S107: an unexpected exception is a 500 with the request's id; only the log has the rest."""

    async def broken(*_args, **_options):
        raise RuntimeError("secret inside")

    object.__setattr__(app.state.container.runs, "get", broken)
    answer = await client.get("/runs/x")
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert "secret" not in answer.text
    failed = next(line for line in lines if line["event"] == "request failed")
    assert failed["request_id"] == answer.headers["x-request-id"]
