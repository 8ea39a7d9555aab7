"""The inputs of a run, as the command line gives them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow.entrypoints.cli.commands.run import refuse_unknown
from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.inputs import parse_inputs
from agentflow.kit import json

TEXT = {"properties": {"question": {"type": "string"}}}


def test_a_value_that_reads_as_json_is_json():
    """Without a schema, numbers, booleans and lists are what they look like."""
    assert parse_inputs(["a=5", "b=true", "c=[1]", "d=two words"]) == {"a": 5, "b": True, "c": [1], "d": "two words"}


def test_an_input_declared_as_text_stays_text():
    """The input schema decides: a question may be `5`."""
    assert parse_inputs(["question=5"], TEXT) == {"question": "5"}


def test_a_value_after_colon_equals_is_json_whatever_the_schema_says():
    """`:=` is the explicit form."""
    assert parse_inputs(['question:={"a": 1}'], TEXT) == {"question": {"a": 1}}


def test_a_value_may_contain_equals_signs():
    """Only the first one parts name and value."""
    assert parse_inputs(["url=http://x/?a=b"]) == {"url": "http://x/?a=b"}


@pytest.mark.parametrize("pair", ["question", "=5", ":=5", "a:={", ""])
def test_a_pair_that_is_none_is_refused(pair):
    """A slip is bad usage and names the pair."""
    with pytest.raises(CliError) as caught:
        parse_inputs([pair])
    assert caught.value.exit_code is Exit.BAD_USAGE


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_of_any_kind_arrives_unchanged(text):
    """Whatever is typed for a text input is the input."""
    assert parse_inputs([f"question={text}"], TEXT) == {"question": text}


@given(st.text())
def test_any_pair_gives_inputs_or_a_clear_refusal(text):
    """No typed text makes the parser fail otherwise, and what it takes can be sent."""
    try:
        json.check(parse_inputs([text]))
    except (CliError, json.InvalidJson):
        return


def test_an_unknown_input_is_refused_with_the_nearest_name():
    """On a command line an undeclared input is a slip."""
    with pytest.raises(CliError, match="no input qestion") as caught:
        refuse_unknown({"qestion": "x"}, TEXT)
    assert caught.value.hint == "Did you mean question?"


def test_unknown_inputs_pass_when_the_schema_says_so():
    """`additionalProperties: true` is a promise."""
    refuse_unknown({"more": 1}, TEXT | {"additionalProperties": True})
