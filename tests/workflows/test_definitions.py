"""Stored workflows through the API."""

import asyncio

import pytest

from agentflow.workflows.definitions.models import WorkflowEdgeRow, WorkflowNodeRow
from agentflow.workflows.definitions.repository import scoped


def node(node_id, value="x"):
    return {"id": node_id, "type": "transform", "config": {"value": value}}


def spec(**changes):
    document = {
        "name": "hello",
        "description": "Says hello.",
        "tags": ["demo"],
        "start_node": "a",
        "nodes": [node("a"), node("b")],
        "edges": [{"from": "a", "to": "b"}],
    }
    return document | changes


async def create(client, headers=None, **changes):
    answer = await client.post("/workflows", json={"spec": spec(**changes)}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_workflow_is_created_and_read_by_id_and_name(client):
    """Name, description and labels come from the specification; the answer says where it is."""
    answer = await client.post("/workflows", json={"spec": spec()})
    made = answer.json()
    assert answer.headers["location"] == f"/api/v1/workflows/{made['id']}"
    assert (made["name"], made["description"], made["tags"], made["version"], made["valid"]) == ("hello", "Says hello.", ["demo"], 1, True)
    by_id, by_name = await client.get(f"/workflows/{made['id']}"), await client.get("/workflows/hello")
    assert by_id.json() == by_name.json() == made
    assert by_id.headers["etag"] == answer.headers["etag"]
    assert (await client.get("/workflows/hello?fields=name,version")).json() == {"name": "hello", "version": 1}


async def test_an_invalid_specification_is_not_stored(client):
    """The answer holds all problems, and nothing is there afterwards."""
    broken = spec(edges=[{"from": "a", "to": "nowhere"}, {"from": "b", "to": "b"}])
    answer = await client.post("/workflows", json={"spec": broken})
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_SPEC")
    assert {"DANGLING_EDGE", "SELF_LOOP"} <= {error["code"] for error in answer.json()["errors"]}
    assert (await client.get("/workflows?count=true")).json()["total"] == 0


async def test_validation_answers_for_any_json(client):
    """A valid document, an invalid one and no document at all: always 200 with a verdict."""
    assert (await client.post("/workflows/validate", json={"spec": spec()})).json() == {"valid": True, "errors": [], "warnings": []}
    for value in (None, 3, [], {}, {"nodes": "x"}):
        answer = await client.post("/workflows/validate", json={"spec": value})
        assert (answer.status_code, answer.json()["valid"]) == (200, False)


async def test_every_new_specification_is_a_new_version(client):
    """A change of the rest is not; the same specification again is not either."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    assert (await client.patch(path, json={"description": None, "tags": ["x"]})).json()["version"] == 1
    assert (await client.get(path)).json()["description"] is None
    assert (await client.patch(path, json={"spec": spec()})).json()["version"] == 1
    assert (await client.patch(path, json={"spec": spec(nodes=[node("a", 2), node("b")]), "note": "two"})).json()["version"] == 2
    replaced = (await client.put(path, json={"spec": spec(name="renamed", description="New.")})).json()
    assert (replaced["version"], replaced["name"], replaced["description"]) == (3, "renamed", "New.")
    versions = (await client.get(f"{path}/versions")).json()["items"]
    assert [(item["number"], item["note"], item["spec"]) for item in versions] == [(3, None, None), (2, "two", None), (1, None, None)]
    assert (await client.get(f"{path}/versions/1")).json()["spec"] == made["spec"]


async def test_the_diff_of_two_versions_names_nodes_and_edges(client):
    """Every difference has its place by id."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    await client.patch(path, json={"spec": spec(nodes=[node("a"), node("b", "y"), node("c")], edges=[{"from": "a", "to": ["b", "c"]}])})
    changes = (await client.get(f"{path}/diff?from=1&to=2")).json()["changes"]
    assert {(change["op"], change["path"]) for change in changes} == {
        ("replace", "/nodes/b/config/value"),
        ("add", "/nodes/c"),
        ("remove", "/edges/a->b"),
        ("add", "/edges/a->b+c"),
    }
    assert (await client.get(f"{path}/diff?from=1&to=9")).json()["code"] == "VERSION_NOT_FOUND"


async def test_going_back_saves_the_old_specification_as_a_new_version(client):
    """History only grows."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    await client.patch(path, json={"spec": spec(nodes=[node("a", 2), node("b")])})
    back = (await client.post(f"{path}/rollback", json={"version": 1})).json()
    assert (back["version"], back["spec"]) == (3, made["spec"])
    assert (await client.post(f"{path}/rollback", json={"version": 9})).json()["code"] == "VERSION_NOT_FOUND"


async def test_a_deleted_workflow_can_be_restored(client):
    """It is gone from lists, by id and by name, cannot be started, and comes back as it was."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    assert (await client.delete(path)).status_code == 204
    for answer in (await client.get(path), await client.get("/workflows/hello"), await client.post(f"{path}/execute", json={})):
        assert (answer.status_code, answer.json()["code"]) == (404, "WORKFLOW_NOT_FOUND")
    assert (await client.get("/workflows")).json()["items"] == []
    (binned,) = (await client.get("/workflows?status=deleted")).json()["items"]
    assert binned["deleted_at"] is not None
    restored = (await client.post(f"{path}/restore")).json()
    assert (restored["id"], restored["deleted_at"], restored["spec"]) == (made["id"], None, made["spec"])
    assert (await client.post(f"{path}/restore")).status_code == 404


async def test_a_lost_race_is_refused(client):
    """If-Match with an old ETag changes nothing; of two writers with the same ETag one wins."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    tag = (await client.get(path)).headers["etag"]
    writers = [client.patch(path, json={"description": text}, headers={"If-Match": tag}) for text in ("one", "two")]
    assert sorted(answer.status_code for answer in await asyncio.gather(*writers)) == [200, 412]
    for lost in (
        client.delete(path, headers={"If-Match": tag}),
        client.put(path, json={"spec": spec()}, headers={"If-Match": tag}),
        client.post(f"{path}/nodes", json=node("c"), headers={"If-Match": tag}),
        client.delete(f"{path}/edges/a-%3Eb", headers={"If-Match": tag}),
    ):
        assert (await lost).json()["code"] == "PRECONDITION_FAILED"
    newest = (await client.get(path)).headers["etag"]
    assert (await client.delete(path, headers={"If-Match": f'"other", {newest}'})).status_code == 204


async def test_writers_without_if_match_lose_nothing(client):
    """Ten nodes added at once are all there: a writer that came too late is told so, and tries again."""
    made = await create(client)
    path = f"/workflows/{made['id']}/nodes"

    async def add(name):
        while (answer := await client.post(path, json={**node(name), "edges": [{"from": "a", "to": name}]})).status_code == 412:
            pass
        assert answer.status_code == 201

    await asyncio.gather(*(add(f"n{number}") for number in range(10)))
    stored = (await client.get(f"/workflows/{made['id']}")).json()
    assert {item["id"] for item in stored["spec"]["nodes"]} == {"a", "b", *(f"n{number}" for number in range(10))}
    assert stored["version"] == 11


async def test_a_key_creates_once(client):
    """The same key and body give the same workflow, also at the same time; another body is refused."""
    body, headers = {"spec": spec()}, {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(client.post("/workflows", json=body, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert (await client.get("/workflows?count=true")).json()["total"] == 1
    other = await client.post("/workflows", json={"spec": spec(name="other")}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_makes_every_change_by_post_repeatable(client):
    """Copying, going back, adding nodes and edges, importing, restoring: the second time is the first time's answer."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    for where, body in (
        ("/workflows/fork", {"workflow_id": made["id"]}),
        (f"{path}/nodes", {**node("c"), "edges": [{"from": "b", "to": "c"}]}),
        (f"{path}/edges", {"from": "a", "to": "c"}),
        (f"{path}/rollback", {"version": 1}),
        ("/workflows/import", spec(name="imported")),
    ):
        first, second = [await client.post(where, json=body, headers={"Idempotency-Key": where}) for _ in range(2)]
        assert first.status_code in (200, 201), first.text
        assert (first.status_code, first.text) == (second.status_code, second.text)
    assert (await client.get("/workflows?count=true")).json()["total"] == 3


async def test_workflows_are_listed_filtered_and_paged(client):
    """Filters narrow; cursors neither skip nor repeat, whatever the order."""
    ids = {
        name: (await create(client, name=name, tags=[name[0]]))["id"] for name in ("apple", "avocado", "banana", "cherry 100%", "Date_1")
    }
    for order in ("name:asc", "name:desc", "created_at:asc", "updated_at:desc"):
        seen, cursor = [], None
        while True:
            page = (await client.get("/workflows", params={"limit": 2, "sort": order, **({"cursor": cursor} if cursor else {})})).json()
            seen += [item["name"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(seen) == sorted(ids), order

    async def names(**query):
        return {item["name"] for item in (await client.get("/workflows", params=query)).json()["items"]}

    assert await names(tag="a") == {"apple", "avocado"}
    assert await names(q="AN") == {"banana"}
    assert await names(q="100%") == {"cherry 100%"}
    assert await names(q="_") == {"Date_1"}
    assert await names(status="archived") == set()
    await client.patch(f"/workflows/{ids['apple']}", json={"status": "archived"})
    assert await names(status="archived") == {"apple"}
    assert (await client.post("/workflows/apple/execute", json={})).json()["code"] == "WORKFLOW_ARCHIVED"


async def test_a_copy_goes_its_own_way(client):
    """It knows where it is from, and a shared name must be told apart by id."""
    made = await create(client)
    copy = (await client.post("/workflows/fork", json={"workflow_id": "hello", "name": "hello"})).json()
    assert (copy["fork_from_id"], copy["spec"], copy["version"]) == (made["id"], made["spec"], 1)
    assert (await client.get("/workflows/hello")).json()["code"] == "AMBIGUOUS_NAME"
    assert (await client.get(f"/workflows/{copy['id']}")).json() == copy


@pytest.mark.parametrize("kind", ["json", "yaml"])
async def test_an_exported_document_imports_as_the_same_workflow(client, kind):
    """By query and by Accept, in JSON and in YAML, the way out and in loses nothing."""
    made = await create(client, nodes=[node("a", "line\nline: yes\n"), node("b", [1.0, None, "010", {"x": "é"}])])
    by_query = await client.get(f"/workflows/{made['id']}/export", params={"format": kind})
    by_header = await client.get(f"/workflows/{made['id']}/export", headers={"Accept": f"application/{kind}"})
    assert by_query.content == by_header.content
    assert by_query.headers["content-type"].startswith(f"application/{kind}")
    await client.delete(f"/workflows/{made['id']}")
    headers = {"Content-Type": f"application/{kind}"}
    back = (await client.post("/workflows/import", content=by_query.content, headers=headers)).json()
    assert (back["spec"], back["name"], back["tags"]) == (made["spec"], made["name"], made["tags"])


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"a: &x 1\nb: *x", "application/yaml", 400),
        (b"[" * 5_000, "application/yaml", 400),
        (b"- 1", "application/yaml", 422),
        (b"name: x\n" + b"#" * 2_100_000, "application/yaml", 422),
        (b"3", "application/json", 422),
        (b"name: x", "text/html", 415),
        (b"name: x", None, 415),
    ],
)
async def test_a_document_that_is_none_is_not_imported(client, content, kind, status):
    """Tricks, depth, size, other types and other shapes are refused with their reason."""
    answer = await client.post("/workflows/import", content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def rows(container, workflow_id):
    """Return what the node and edge tables hold of a workflow."""
    tenant = container.owner.tenant_id
    async with container.database.reading() as session:
        nodes = (await session.execute(scoped(WorkflowNodeRow, tenant).order_by(WorkflowNodeRow.position))).scalars().all()
        edges = (await session.execute(scoped(WorkflowEdgeRow, tenant).order_by(WorkflowEdgeRow.position))).scalars().all()
    return (
        [(item.node_id, item.type, item.config) for item in nodes if item.workflow_id == workflow_id],
        [(item.edge_id, item.source, item.targets) for item in edges if item.workflow_id == workflow_id],
    )


async def test_nodes_and_edges_are_edited_one_at_a_time(client, container):
    """Each edit is a version, the rows always equal the specification, and what an edit touches follows it."""
    made = await create(client)
    path = f"/workflows/{made['id']}"
    added = await client.post(f"{path}/nodes", json=node("c", 3))
    assert (added.status_code, added.json()) == (201, node("c", 3))
    assert added.headers["location"] == f"/api/v1{path}/nodes/c"
    assert (await client.get(path)).json()["valid"] is False
    assert (await client.post(f"{path}/execute", json={})).json()["code"] == "INVALID_SPEC"
    joined = await client.post(f"{path}/edges", json={"from": "b", "to": "c"})
    assert joined.json() == {"id": "b->c", "from": "b", "to": "c"}
    assert (await client.get(path)).json()["valid"] is True
    assert (await client.put(f"{path}/edges/b-%3Ec", json={"id": "last", "from": "b", "to": "c"})).json()["id"] == "last"
    assert (await client.put(f"{path}/nodes/c", json=node("d", 4))).json() == node("d", 4)
    assert (await client.get(f"{path}/edges/last")).json() == {"id": "last", "from": "b", "to": "d"}
    stored = (await client.get(path)).json()
    assert stored["version"] == 5
    nodes, edges = await rows(container, made["id"])
    assert nodes == [(item["id"], item["type"], item["config"]) for item in stored["spec"]["nodes"]]
    assert edges == [("a->b", "a", "b"), ("last", "b", "d")]
    assert (await client.delete(f"{path}/nodes/d")).status_code == 204
    assert [item["id"] for item in (await client.get(f"{path}/edges")).json()["items"]] == ["a->b"]
    assert (await client.delete(f"{path}/edges/a-%3Eb")).status_code == 204
    assert (await rows(container, made["id"])) == ([(item["id"], item["type"], item["config"]) for item in spec()["nodes"]], [])


@pytest.mark.parametrize(
    ("method", "place", "body", "status", "code"),
    [
        ("POST", "edges", {"from": "b", "to": "a"}, 422, "INVALID_SPEC"),
        ("POST", "edges", {"from": "a", "to": "nowhere"}, 422, "INVALID_SPEC"),
        ("POST", "edges", {"from": "a", "to": "b"}, 422, "INVALID_SPEC"),
        ("POST", "nodes", node("a"), 409, "ALREADY_EXISTS"),
        ("POST", "nodes", {"id": "c", "type": "nothing"}, 422, "INVALID_SPEC"),
        ("POST", "nodes", {**node("c"), "timeout_s": "5"}, 422, "INVALID_SPEC"),
        ("POST", "nodes", {"id": "C c", "type": "transform"}, 422, "INVALID"),
        ("PUT", "nodes/a", node("b"), 422, "INVALID_SPEC"),
        ("PUT", "nodes/z", node("z"), 404, "NODE_NOT_FOUND"),
        ("PUT", "edges/a->z", {"from": "a", "to": "b"}, 404, "EDGE_NOT_FOUND"),
        ("DELETE", "nodes/a", None, 422, "INVALID_SPEC"),
        ("DELETE", "nodes/z", None, 404, "NODE_NOT_FOUND"),
        ("GET", "edges/z", None, 404, "EDGE_NOT_FOUND"),
    ],
)
async def test_an_edit_that_would_break_the_graph_changes_nothing(client, method, place, body, status, code):
    """Cycles, loose ends, doubles and unknown types are refused, and the version stays."""
    made = await create(client)
    answer = await client.request(method, f"/workflows/{made['id']}/{place}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.get(f"/workflows/{made['id']}")).json() == made


async def test_another_tenant_sees_and_changes_nothing(client, container):
    """S30: what belongs to somebody else is answered like what does not exist."""
    from agentflow.errors import NotFound
    from agentflow.identity.permissions import ALL_PERMISSIONS
    from agentflow.identity.subject import Subject
    from agentflow.kit.ids import new_id
    from agentflow.kit.pagination import PageRequest
    from agentflow.workflows.definitions.repository import WorkflowFilter
    from agentflow.workflows.transfer.schemas import WorkflowFork

    made = await create(client)
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    service = container.workflows
    assert (await service.list(stranger, WorkflowFilter(), PageRequest(count=True))).total == 0
    for attempt in (
        service.get(stranger, made["id"]),
        service.get(stranger, "hello"),
        service.version(stranger, made["id"], 1),
        service.delete(stranger, made["id"]),
        container.transfers.fork(stranger, WorkflowFork(source_id=made["id"])),
        container.transfers.export(stranger, made["id"]),
        container.transfers.confirmation(stranger, made["id"]),
        container.sharing.get(stranger, made["id"]),
        container.sharing.open_public(made["id"]),
        service.get_version(stranger, made["id"], None),
        service.edit(stranger, made["id"], lambda document: document),
    ):
        with pytest.raises(NotFound):
            await attempt
