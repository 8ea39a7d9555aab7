"""Rules about ways: starts, edges, cycles, reachability, islands, queues."""

from tests.spec.support import chain, check, found, node


def edges(*pairs):
    return [{"from": first, "to": second} for first, second in pairs]


def graph(ids, *pairs, **more):
    return chain(*(node(name) for name in ids)) | {"edges": edges(*pairs)} | more


def test_the_only_entry_is_the_start():
    """Without a start node the run begins where nothing leads to."""
    document = graph("ab", ("a", "b"))
    del document["start_node"]
    assert found(document) == []


def test_no_start_is_reported_when_it_is_not_clear():
    """Two entries, no entry, and no nodes each need a start node."""
    for document in (graph("abc", ("a", "c"), ("b", "c")), {"name": "x", "nodes": []}):
        document.pop("start_node", None)
        assert found(document) == [("NO_START_NODE", "/start_node")]
    loop = graph("ab", ("a", "b"), ("b", "a"))
    del loop["start_node"]
    assert ("NO_START_NODE", "/start_node") in found(loop)


def test_an_unknown_start_gets_the_nearest_name():
    """A misspelt start node gets a suggestion."""
    result = check(chain(node("begin"), start_node="bgein"))
    assert [(problem.code, problem.path, problem.hint) for problem in result.errors] == [
        ("UNKNOWN_START_NODE", "/start_node", "Did you mean begin?")
    ]


def test_dangling_edges_routes_and_on_error_are_found():
    """Every end of every way must exist; ``end`` always does."""
    document = chain(
        node("pick", "choose", {"routes": [{"to": "gone"}, {"to": "end"}], "default": "lost"}, on_error="nowhere"),
    )
    document["edges"] = [{"from": "ghost", "to": "pick"}, {"from": "pick", "to": ["end", "missing"]}]
    assert found(document) == [
        ("DANGLING_EDGE", "/nodes/0/config/routes/0/to"),
        ("DANGLING_EDGE", "/nodes/0/config/default"),
        ("DANGLING_EDGE", "/nodes/0/on_error"),
        ("DANGLING_EDGE", "/edges/0/from"),
        ("DANGLING_EDGE", "/edges/1/to/1"),
    ]


def test_duplicate_edges_are_found_inside_fan_outs_too():
    """Two edges between the same nodes are one too many."""
    document = graph("abc", ("a", "b"), ("b", "c"))
    document["edges"].append({"from": "a", "to": ["c", "b"]})
    assert found(document) == [("DUPLICATE_EDGE", "/edges/2/to/1")]


def test_an_edge_may_repeat_a_route():
    """A router's route may be written as an edge as well, to add a condition."""
    document = chain(node("a", "choose", {"routes": [{"to": "b"}], "default": "end"}), node("b"))
    assert found(document) == []


def test_a_self_loop_needs_a_bound():
    """A node leads to itself only through a declared loop."""
    document = graph("ab", ("a", "b"), ("b", "b"))
    assert found(document) == [("SELF_LOOP", "/edges/1/to")]
    document["edges"][1]["loop"] = {"max_iterations": 3}
    assert found(document) == []


def test_a_cycle_names_its_nodes_in_order():
    """The message walks the cycle from its first node back to it."""
    result = check(graph("abcd", ("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")))
    assert [(problem.code, problem.path) for problem in result.errors] == [("CYCLE", "/edges/3/to")]
    assert "b → c → d → b" in result.errors[0].message


def test_a_declared_loop_is_no_cycle():
    """An edge with a bound may lead back."""
    document = graph("abc", ("a", "b"), ("b", "c"), ("c", "b"))
    document["edges"][2]["loop"] = {"max_iterations": 3}
    assert found(document) == []


def test_routes_and_on_error_can_close_a_cycle():
    """A cycle is one, whoever declares its ways."""
    document = chain(node("a"), node("b", "choose", {"routes": [{"to": "a"}], "default": "end"}))
    assert found(document) == [("CYCLE", "/nodes/1/config/routes/0/to")]
    document = chain(node("a"), node("b", on_error="a"))
    assert found(document) == [("CYCLE", "/nodes/1/on_error")]


def test_two_knots_are_two_problems():
    """Every knot of nodes is reported once."""
    document = graph("abcde", ("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e"), ("e", "d"))
    assert found(document) == [("CYCLE", "/edges/2/to"), ("CYCLE", "/edges/5/to")]


def test_an_unreachable_node_is_found():
    """A node that joins the graph from outside is never run."""
    assert found(graph("abc", ("a", "b"), ("c", "b"))) == [("UNREACHABLE_NODE", "/nodes/2")]


def test_routes_and_on_error_reach_nodes():
    """A node needs no edge when a route or an error leads to it."""
    document = chain(node("a", "choose", {"routes": [{"to": "b"}], "default": "end"}, on_error="c")) | {"edges": []}
    document["nodes"] += [node("b"), node("c")]
    assert found(document) == []


def test_a_way_back_reaches_nothing():
    """A loop edge to a node that nothing else leads to does not make it run."""
    document = graph("abc", ("a", "b"), ("b", "c"))
    document["edges"][1]["loop"] = {"max_iterations": 2}
    assert found(document) == [("UNREACHABLE_NODE", "/nodes/2")]


def test_islands_are_named():
    """Parts that nothing joins are listed with their nodes."""
    result = check(graph("abcd", ("a", "b"), ("c", "d")))
    assert [(problem.code, problem.path) for problem in result.errors] == [
        ("UNREACHABLE_NODE", "/nodes/2"),
        ("DISCONNECTED_GRAPH", "/nodes/2"),
        ("UNREACHABLE_NODE", "/nodes/3"),
    ]
    assert "a, b; c, d" in result.errors[1].message


def test_a_queue_needs_a_way():
    """A queue is for an edge, a route or an on_error that exists."""
    document = chain(node("a"), node("b", on_error="c")) | {"queues": [{"id": "q", "from": "a", "to": "b"}]}
    document["nodes"].append(node("c"))
    document["queues"] += [{"id": "r", "from": "b", "to": "c"}, {"id": "s", "from": "a", "to": "c"}]
    assert found(document) == [("QUEUE_WITHOUT_EDGE", "/queues/2")]


def test_a_router_without_default_is_a_warning():
    """A choice that may find nothing still runs."""
    document = chain(node("a", "choose", {"routes": [{"to": "b"}]}), node("b"))
    assert found(document) == []
    assert found(document, level="warnings") == [("ROUTER_WITHOUT_DEFAULT", "/nodes/0/config")]
    document["nodes"][0]["config"]["default"] = "end"
    assert found(document, level="warnings") == []


def test_a_node_that_undoes_another_is_there_for_nothing_else():
    spec = graph("ab", ("a", "b"))
    spec["nodes"] += [node("undo")]
    spec["edges"] += edges(("b", "undo"))
    spec["nodes"][0]["compensate"] = "undo"
    (problem,) = [item for item in check(spec).errors if item.code == "INVALID_CONFIG"]
    assert (problem.path, problem.node_id) == ("/nodes/0/compensate", "a")
    spec["edges"].pop()
    assert not check(spec).errors
