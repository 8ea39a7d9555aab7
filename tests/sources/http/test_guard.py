"""What the guard refuses before anything is connected to."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.errors import NodeError
from agentflow.sources.http.guard import Guard


def resolving_to(*found: str):
    async def resolve(host: str, port: int) -> Sequence[str]:
        return found

    return resolve


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "SSRF_BLOCKED"),
        ("gopher://example.com/", "SSRF_BLOCKED"),
        ("ftp://example.com/", "SSRF_BLOCKED"),
        ("data:text/plain,hi", "SSRF_BLOCKED"),
        ("ws://example.com/", "SSRF_BLOCKED"),
        ("//example.com/", "SSRF_BLOCKED"),
        ("/path", "SSRF_BLOCKED"),
        ("http://user@example.com/", "SSRF_BLOCKED"),
        ("http://user:pass@example.com/", "SSRF_BLOCKED"),
        ("http://ok\\@evil.example/", "HTTP_URL"),
        ("http://exa\tmple.com/", "HTTP_URL"),
        (" http://example.com/", "HTTP_URL"),
        ("http://", "HTTP_URL"),
        ("http://./", "HTTP_URL"),
        ("http://example.com:0/", "HTTP_URL"),
        ("http://example.com:99999/", "HTTP_URL"),
        ("http://[::1/", "HTTP_URL"),
        ("http://\x00/", "HTTP_URL"),
    ],
)
def test_a_url_of_another_form_is_refused(url: str, code: str) -> None:
    """S70, S71: other schemes, credentials in the URL and unreadable text are refused by name."""
    with pytest.raises(NodeError) as raised:
        Guard().url(url)
    assert raised.value.error_code == code


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://a.example/", "http://a@", "http://["]))
def test_any_text_is_a_url_or_a_typed_refusal(text: str, prefix: str) -> None:
    """S70: no text makes the guard fail in another way."""
    try:
        url = Guard().url(prefix + text)
    except NodeError as error:
        outcome = error.error_code
    else:
        outcome = "called" if url.scheme in {"http", "https"} and not url.userinfo else "let through"
    assert outcome in {"called", "HTTP_URL", "SSRF_BLOCKED"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "localhost", "localhost.", "::1", "::ffff:127.0.0.1"]
)
async def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    """S65: the check is of the address that the system makes of a name, so the spelling cannot matter."""
    with pytest.raises(NodeError) as raised:
        await Guard().addresses(host, 80)
    assert raised.value.error_code == "SSRF_BLOCKED"


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    """S68: a name must not lead inside by chance or by turns."""
    with pytest.raises(NodeError) as raised:
        await Guard(resolver=resolving_to("93.184.216.34", "10.0.0.1")).addresses("mixed.example", 80)
    assert raised.value.error_code == "SSRF_BLOCKED"


async def test_the_checked_addresses_are_returned() -> None:
    """A public name gives the addresses to connect to."""
    assert await Guard(resolver=resolving_to("93.184.216.34")).addresses("ok.example", 443) == ["93.184.216.34"]


@pytest.mark.parametrize(
    ("entry", "host", "port", "allowed"),
    [
        ("intranet", "intranet", 80, True),
        ("intranet", "INTRANET.", 80, True),
        ("intranet:8080", "intranet", 8080, True),
        ("intranet:8080", "intranet", 80, False),
        ("*.corp.example", "api.corp.example", 443, True),
        ("*.corp.example", "a.b.corp.example", 443, True),
        ("*.corp.example", "corp.example", 443, False),
        ("*.corp.example", "evilcorp.example", 443, False),
        ("*.corp.example:8443", "api.corp.example", 8443, True),
        ("*.corp.example:8443", "api.corp.example", 443, False),
        ("other", "intranet", 80, False),
    ],
)
async def test_allowed_hosts_open_exactly_what_they_name(entry: str, host: str, port: int, allowed: bool) -> None:
    """An entry is a host, a host with a port, or every host below a suffix."""
    guard = Guard({entry}, resolving_to("10.0.0.1"))
    if allowed:
        assert await guard.addresses(host, port) == ["10.0.0.1"]
    else:
        with pytest.raises(NodeError):
            await guard.addresses(host, port)


async def test_an_allowed_name_does_not_open_the_metadata_service() -> None:
    """S66: a name that turns to the cloud's credentials is refused though the name is allowed."""
    with pytest.raises(NodeError):
        await Guard({"intranet"}, resolving_to("169.254.169.254")).addresses("intranet", 80)


async def test_a_name_that_does_not_exist_may_be_tried_again() -> None:
    """Failed resolution is a connection failure, which a retry may mend."""

    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    with pytest.raises(NodeError) as raised:
        await Guard(resolver=unknown).addresses("gone.example", 80)
    assert (raised.value.error_code, raised.value.retryable) == ("HTTP_CONNECT", True)


async def test_open_and_closed_inner_ports_are_refused_with_the_same_words(server) -> None:
    """S75: the answer must not tell which inner port listens."""
    messages = set()
    for port in (server.port, 1):
        with pytest.raises(NodeError) as raised:
            await Guard().addresses("127.0.0.1", port)
        messages.add((raised.value.message, raised.value.hint))
    assert len(messages) == 1
    assert server.connections == 0
