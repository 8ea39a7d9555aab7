"""Choosing branches."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentflow.errors import NodeError
from agentflow.nodes.context import ChatDelta, ChatRequest, ChatResult, ResolvedSource, Usage
from agentflow.nodes.control.router import RouterConfig, RouterNode
from tests.nodes.context import FakeContext


class Saying:
    """A chat model that says one thing."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.requests: list[ChatRequest] = []

    async def chat(self, source: ResolvedSource | None, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        yield ChatDelta(self.text)
        yield ChatDelta(final=ChatResult(self.text, Usage(7, 3), "m", "stop"))


async def route(context: FakeContext | None = None, **config: Any) -> tuple[list[str], set[str]]:
    """Return the routes taken and the nodes chosen."""
    node, validated = RouterNode(), RouterConfig.model_validate(config)
    output = (await node.run(context or FakeContext(), validated)).model_dump()
    assert output["route"] == output["routes"][0]
    assert output["reason"]
    return output["routes"], set(node.chosen(validated, output))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, True], "a"),
        ([False, True], "b"),
        ([False, False], "default"),
        (["text", True], "a"),
        (["", True], "b"),
        ([[], True], "b"),
        ([None, 3], "b"),
    ],
)
async def test_the_first_true_condition_wins(values: list[Any], expected: str) -> None:
    """Conditions arrive evaluated; what is empty counts as false."""
    routes = [{"to": to, "when": value} for to, value in zip("ab", values, strict=True)]
    assert (await route(routes=routes, default="c"))[0] == [expected]


async def test_several_routes_may_be_taken() -> None:
    """With ``multiple`` every match counts, and a route may lead to several nodes."""
    routes = [{"to": ["a", "b"], "name": "pair", "when": True}, {"to": "c", "when": False}, {"to": "end", "when": True}]
    assert await route(routes=routes, multiple=True) == (["pair", "end"], {"a", "b", "end"})


async def test_the_default_is_taken_when_nothing_matches() -> None:
    """It may lead to several nodes."""
    assert await route(routes=[{"to": "a", "when": False}], default=["b", "c"]) == (["default"], {"b", "c"})


async def test_nothing_matching_without_default_fails() -> None:
    """Silence would end the run as if it had succeeded."""
    with pytest.raises(NodeError) as raised:
        await route(routes=[{"to": "a", "when": False}])
    assert raised.value.error_code == "NO_ROUTE"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I want a REFUND now", "money"),
        ("give me my Money Back", "money"),
        ("refunding", "default"),
        ("Straße", "street"),
        ("c++ is it", "code"),
        ("", "default"),
    ],
)
async def test_keywords_are_whole_words_of_any_case(text: str, expected: str) -> None:
    """Words and phrases, also with signs in them, but not parts of words."""
    routes = [
        {"to": "money", "keywords": ["refund", "money back"]},
        {"to": "street", "keywords": ["STRASSE"]},
        {"to": "code", "keywords": ["c++"]},
    ]
    assert (await route(strategy="keywords", input=text, routes=routes, default="x"))[0] == [expected]


async def test_patterns_are_searched_for() -> None:
    """A pattern may match anywhere."""
    routes = [{"to": "order", "pattern": r"(?i)order #\d+"}, {"to": "mail", "pattern": "@"}]
    assert (await route(strategy="pattern", input="see Order #12", routes=routes))[0] == ["order"]
    assert (await route(strategy="pattern", input="a@b Order #1", routes=routes, multiple=True))[0] == ["order", "mail"]


@pytest.mark.timeout(5)
async def test_a_hostile_pattern_takes_linear_time() -> None:
    """S89: nested repetition, which hangs other engines, is searched in no time."""
    routes = [{"to": "a", "pattern": "(a+)+$"}]
    assert (await route(strategy="pattern", input="a" * 50_000 + "b", routes=routes, default="x"))[0] == ["default"]


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "((a{1000}){1000}){1000}", "a" * 1001, ""])
def test_a_pattern_that_cannot_run_is_refused_early(pattern: str) -> None:
    """S89: the problem points at the pattern."""
    problems = RouterNode().check_config({"strategy": "pattern", "input": "x", "routes": [{"to": "a", "pattern": pattern}]})
    assert [problem.path for problem in problems] == [("routes", 0, "pattern")]


OPTIONS = [{"to": "refund", "description": "wants money"}, {"to": "talk", "description": "wants to talk"}]


async def test_a_model_chooses_among_the_descriptions() -> None:
    """The model is asked once, with the names as its only choice, and its use is counted."""
    model = Saying('{"route": "talk", "reason": "small talk"}')
    context = FakeContext(models=model)
    assert await route(context, strategy="llm", input="hello", routes=OPTIONS, default="x") == (["talk"], {"talk"})
    schema = model.requests[0].json_schema
    assert schema["properties"]["route"]["enum"][:2] == ["refund", "talk"]
    assert "wants money" in model.requests[0].messages[0]["content"]
    assert [usage.input_tokens for usage in context.usages] == [7]


async def test_a_model_may_say_that_none_fits_only_with_a_default() -> None:
    """Without a default, "none" is not offered."""
    answer = '{"route": "none of these", "reason": "no"}'
    config: dict[str, Any] = {"strategy": "llm", "input": "x", "routes": OPTIONS}
    assert (await route(FakeContext(models=Saying(answer)), **config, default="x"))[0] == ["default"]
    with pytest.raises(NodeError):
        await route(FakeContext(models=Saying(answer)), **config)


async def test_a_model_may_choose_several() -> None:
    """With ``multiple`` the answer is a list; an empty one means the default."""
    config: dict[str, Any] = {"strategy": "llm", "input": "x", "routes": OPTIONS, "multiple": True, "default": "x"}
    both = Saying('{"routes": ["talk", "refund", "talk"], "reason": "both"}')
    assert (await route(FakeContext(models=both), **config))[0] == ["talk", "refund"]
    assert (await route(FakeContext(models=Saying('{"routes": [], "reason": "no"}')), **config))[0] == ["default"]


@pytest.mark.parametrize("answer", ["", "refund", "[]", "{}", '{"route": "other"}', '{"route": ["talk"]}', '{"routes": ["talk"]}', "{"])
async def test_an_answer_that_names_no_route_may_be_asked_again(answer: str) -> None:
    """Whatever a model says, the failure is typed and retryable."""
    with pytest.raises(NodeError) as raised:
        await route(FakeContext(models=Saying(answer)), strategy="llm", input="x", routes=OPTIONS)
    assert (raised.value.error_code, raised.value.retryable) == ("MODEL_OUTPUT_INVALID", True)


def test_targets_come_with_their_places() -> None:
    """The validator points at the target that does not exist; broken parts are passed over."""
    config = {"routes": [{"to": "a"}, {"to": ["b", 5, "c"]}, {}, "x", {"to": 7}], "default": ["d"]}
    assert [(target.node_id, target.path) for target in RouterNode().targets(config)] == [
        ("a", ("routes", 0, "to")),
        ("b", ("routes", 1, "to", 0)),
        ("c", ("routes", 1, "to", 2)),
        ("d", ("default", 0)),
    ]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"routes": []},
        {"routes": [{"to": "a"}]},
        {"routes": [{"when": "x"}]},
        {"routes": [{"to": [], "when": "x"}]},
        {"routes": [{"to": "Not An Id", "when": "x"}]},
        {"routes": [{"to": "a", "when": "x", "other": 1}]},
        {"strategy": "keywords", "routes": [{"to": "a", "keywords": ["x"]}]},
        {"strategy": "keywords", "input": "x", "routes": [{"to": "a", "keywords": []}]},
        {"strategy": "keywords", "input": "x", "routes": [{"to": "a", "when": "x"}]},
        {"strategy": "llm", "input": "x", "routes": [{"to": "a"}]},
        {"strategy": "guess", "routes": [{"to": "a", "when": "x"}]},
        {"routes": [{"to": "a", "name": "n", "when": "x"}, {"to": "b", "name": "n", "when": "y"}]},
        {"routes": [{"to": "a", "name": "default", "when": "x"}], "default": "b"},
    ],
)
def test_a_config_that_cannot_choose_is_refused(config) -> None:
    """Every strategy needs what it looks at, and names must tell routes apart."""
    assert RouterNode().check_config(config)


def test_whether_there_is_a_default() -> None:
    """Only a router with a default always finds a way."""
    assert RouterNode().has_default({"default": "a"})
    assert not RouterNode().has_default({"routes": []})
