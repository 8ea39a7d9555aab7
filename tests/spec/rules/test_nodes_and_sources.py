"""Rules about what nodes are and what they are connected to."""

from tests.spec.support import chain, check, found, node


def test_an_unknown_type_gets_the_nearest_name():
    """A misspelt node type gets a suggestion."""
    problem = check(chain(node("a", "fnid"))).errors[0]
    assert (problem.code, problem.path, problem.hint) == ("UNKNOWN_NODE_TYPE", "/nodes/0/type", "Did you mean find?")


def test_a_config_must_fit_its_type():
    """Values out of bounds and unknown settings are pointed to; templates are trusted."""
    assert found(chain(node("a", "find", {"top_k": 500}))) == [("INVALID_CONFIG", "/nodes/0/config/top_k")]
    assert found(chain(node("a", "find", {"top_k": "{{ inputs.n }}"}))) == []
    problem = check(chain(node("a", "find", {"topk": 5}))).errors[0]
    assert (problem.code, problem.path, problem.hint) == ("INVALID_CONFIG", "/nodes/0/config/topk", "Did you mean top_k?")


def test_a_plugin_that_fails_stops_nothing():
    """A node type that raises everywhere leaves the rest of the document checked."""
    assert found(chain(node("a", "broken"), node("b", "nope"))) == [("UNKNOWN_NODE_TYPE", "/nodes/1/type")]


LLM = {"id": "chat", "kind": "llm"}


def test_a_source_must_exist():
    """A name that is neither in the document nor stored is unknown."""
    document = chain(node("a", "ask", source="caht"), sources=[LLM])
    problem = check(document).errors[0]
    assert (problem.code, problem.path, problem.hint) == ("UNKNOWN_SOURCE", "/nodes/0/source", "Did you mean chat?")
    document["nodes"][0]["source"] = "chat"
    assert found(document) == []
    assert found(chain(node("a", "ask", source="stored")), stored_sources={"stored": "llm"}) == []


def test_a_required_source_must_be_named():
    """A node that needs a source and names none is told of the fitting ones."""
    problem = check(chain(node("a", "ask"), sources=[LLM])).errors[0]
    assert (problem.code, problem.path) == ("UNKNOWN_SOURCE", "/nodes/0/source")
    assert "chat" in problem.hint


def test_a_source_must_be_of_a_fitting_kind():
    """A database is no language model, and a node that uses no source takes none."""
    document = chain(node("a", "ask", source="db"), node("b", source="db"), sources=[{"id": "db", "kind": "db"}])
    assert found(document) == [("SOURCE_KIND_MISMATCH", "/nodes/0/source"), ("SOURCE_KIND_MISMATCH", "/nodes/1/source")]


def test_a_source_of_the_document_overrides_a_stored_one():
    """The kind that counts is that of the document."""
    document = chain(node("a", "ask", source="chat"), sources=[{"id": "chat", "kind": "db"}])
    assert found(document, stored_sources={"chat": "llm"}) == [("SOURCE_KIND_MISMATCH", "/nodes/0/source")]


def test_an_unused_source_is_a_warning():
    """A source that no node names, bodies included, is worth a word."""
    document = chain(node("a"), sources=[LLM])
    assert found(document) == []
    assert found(document, level="warnings") == [("UNUSED_SOURCE", "/sources/0")]
    document["nodes"] = [node("a", "each", {"over": [], "body": {"type": "ask", "source": "chat"}})]
    assert found(document, level="warnings") == []


def test_secrets_are_checked_when_their_names_are_known():
    """A secret that does not exist is missing; without a list of names nothing is said."""
    source = LLM | {"config": {"api_key": "{{ secrets.OPENAI }}"}}
    document = chain(node("a", "ask", source="chat"), sources=[source])
    assert found(document) == []
    assert found(document, secrets={"OPENAI"}) == []
    assert found(document, secrets={"OTHER"}) == [("MISSING_SECRET", "/sources/0/config/api_key")]


def test_secrets_are_known_in_sources_only():
    """A prompt cannot read a secret, and a source cannot read an input."""
    document = chain(node("a", "find", {"query": "{{ secrets.OPENAI }}"}), sources=[LLM | {"config": {"model": "{{ inputs.q }}"}}])
    assert found(document, secrets={"OPENAI"}) == [
        ("UNKNOWN_REFERENCE", "/nodes/0/config/query"),
        ("UNKNOWN_REFERENCE", "/sources/0/config/model"),
    ]
