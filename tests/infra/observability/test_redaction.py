"""Secrets are taken out of texts and values, whatever they are wrapped in and wherever a stream is cut."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.infra.observability.redaction import MARK, Redactor

SECRET = 'p@ss "word"/+ü\n'
TEXTS = st.text(max_size=40)


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    redactor.add(secrets)
    return redactor


@pytest.mark.parametrize(
    "disguise",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        *(base64.b64encode(f"{lead}:{SECRET}".encode()).decode() for lead in ("u", "us", "use")),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_its_usual_disguises(disguise: str):
    """As it is, in JSON, in a URL, in hex, and in base64 behind a user name of any length."""
    shown = knowing(SECRET).text(f"before {disguise} after")
    assert MARK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "word" not in shown


def test_values_are_cleaned_in_keys_lists_and_texts():
    """What holds no secret is the same object; what does is cleaned all through."""
    redactor = knowing("hunter2hunter2")
    clean = {"a": [1, None, {"b": "c"}]}
    assert redactor.value(clean) is clean
    dirty = {"hunter2hunter2": ["x hunter2hunter2 y", 3], "n": {"m": "hunter2hunter2"}}
    assert redactor.value(dirty) == {MARK: [f"x {MARK} y", 3], "n": {"m": MARK}}


def test_short_texts_are_no_secrets():
    """Three letters stand everywhere; taking them out would tell more than it hides."""
    assert knowing("abc").text("abcdef") == "abcdef"


def test_only_so_many_secrets_are_known():
    """Those that were used longest ago are forgotten first."""
    redactor = Redactor(2)
    redactor.add(["first-secret", "second-secret"])
    redactor.add(["first-secret"])
    redactor.add(["third-secret"])
    assert redactor.text("first-secret second-secret third-secret") == f"{MARK} second-secret {MARK}"


def test_s155_a_secret_in_a_stream_is_found_wherever_it_is_cut():
    """S155: cut at every index, into two pieces and into single characters."""
    secret, redactor = "sk-4242-canary", knowing("sk-4242-canary")
    text = f"the key sk-42 is {secret}, and sk-4242 is not"
    for cut in range(len(text) + 1):
        stream = redactor.stream()
        assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.end() == text.replace(secret, MARK)
    stream = redactor.stream()
    assert "".join(map(stream.feed, text)) + stream.end() == text.replace(secret, MARK)


@settings(max_examples=60)
@given(st.lists(TEXTS, max_size=8), st.text(min_size=4, max_size=12))
def test_a_stream_shows_what_the_whole_would(pieces: list[str], secret: str):
    """Whatever the pieces, no secret is left, and nothing else is lost where there is none."""
    stream = knowing(secret).stream()
    shown = "".join(map(stream.feed, pieces)) + stream.end()
    whole = "".join(pieces)
    if secret not in MARK:
        assert secret not in shown
    if not any(look in whole for look in knowing(secret).looks):
        assert shown == whole
