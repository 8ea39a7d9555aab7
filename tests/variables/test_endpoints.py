"""Variables: stored values that workflows read."""

import pytest

from agentflow.errors import NotFound
from agentflow.identity.permissions import ALL_PERMISSIONS
from agentflow.identity.subject import Subject
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import PageRequest
from agentflow.variables.schemas import VariableCreate
from tests.runtime.runs.people import answer, ended, started_waiting


def spec(value="{{ vars.greeting }} {{ inputs.name }}", **more):
    return {"name": "greet", "nodes": [{"id": "say", "type": "transform", "config": {"value": value}}], **more}


async def store(client, name="greeting", value="Good morning"):
    answer = await client.post("/variables", json={"name": name, "value": value})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def run(client, body):
    answer = await client.post("/execute?wait=20", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_variable_lives_and_dies(client):
    """Stored, listed, read, replaced and deleted."""
    made = await store(client)
    assert (made["value"], made["version"]) == ("Good morning", 1)
    replaced = await client.put(f"/variables/{made['id']}", json={"value": {"any": [1, None]}, "description": "an object"})
    assert (replaced.json()["value"], replaced.json()["version"]) == ({"any": [1, None]}, 2)
    assert (await client.put("/variables/greeting", json={"value": None})).json()["description"] == "an object"
    listed = (await client.get("/variables?count=true&fields=name,value")).json()
    assert listed == {"items": [{"name": "greeting", "value": None}], "next_cursor": None, "total": 1}
    assert (await client.delete("/variables/greeting")).status_code == 204
    assert (await client.get("/variables/greeting")).json()["code"] == "VARIABLE_NOT_FOUND"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "INVALID"),
        ({"name": "a"}, 422, "INVALID"),
        ({"name": "a b", "value": 1}, 422, "INVALID"),
        ({"name": "a", "value": "x" * 100_001}, 422, "INVALID"),
        ({"name": "taken", "value": 1}, 409, "VARIABLE_EXISTS"),
    ],
)
async def test_bad_bodies_are_problems(client, body, status, code):
    """Each mistake has its status and code."""
    await store(client, "taken", 1)
    answer = await client.post("/variables", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_workflows_read_variables_with_their_types(client):
    """A value that is exactly one reference keeps its type; conditions and outputs read them too."""
    await store(client, "limits", {"most": 3, "names": ["a", "b"]})
    nodes = [{"id": "say", "type": "transform", "config": {"value": "{{ vars.limits.names }}"}, "when": "vars.limits.most > 2"}]
    done = await run(client, {"spec": {"name": "w", "nodes": nodes, "outputs": {"n": "{{ nodes.say }}", "m": "{{ vars['limits'].most }}"}}})
    assert done["outputs"] == {"n": ["a", "b"], "m": 3}


async def test_an_unknown_variable_is_named_when_the_workflow_is_saved(client):
    """With the name that was probably meant."""
    await store(client)
    refused = await client.post("/workflows", json={"spec": spec("{{ vars.greting }}")})
    (problem,) = refused.json()["errors"]
    assert (refused.status_code, problem["code"]) == (422, "UNKNOWN_REFERENCE")
    assert "vars.greeting" in problem["hint"]


async def test_a_run_keeps_the_values_that_it_was_accepted_with(client):
    """Also when it goes on after a person has answered, and when it is forked; the next run has the new value."""
    await store(client)
    nodes = [
        {"id": "ask", "type": "human", "config": {"title": "Go on?"}},
        {"id": "say", "type": "transform", "config": {"value": "{{ vars.greeting }}"}},
    ]
    document = {"name": "w", "nodes": nodes, "edges": [{"from": "ask", "to": "say"}], "outputs": {"said": "{{ nodes.say }}"}}
    waiting = await started_waiting(client, document)
    await client.put("/variables/greeting", json={"value": "Good night"})
    assert (await answer(client, waiting, decision="approve"))[0] == 200
    assert (await ended(client, waiting))["outputs"] == {"said": "Good morning"}
    assert (await run(client, {"spec": {"name": "w", "nodes": [nodes[1]]}}))["outputs"] == "Good night"


async def test_what_is_in_use_is_not_deleted(client):
    """The refusal names the workflow that reads it."""
    await store(client)
    made = (await client.post("/workflows", json={"spec": spec("{{ vars.greeting }}")})).json()
    refused = await client.delete("/variables/greeting")
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"resource": "workflow", "id": made["id"], "name": "greet"}])
    await client.delete(f"/workflows/{made['id']}")
    assert (await client.delete("/variables/greeting")).status_code == 204


async def test_another_tenant_sees_and_changes_nothing(client, container):
    """What belongs to somebody else is answered like what does not exist."""
    made = await store(client)
    stranger = Subject(new_id(), new_id(), ALL_PERMISSIONS)
    service = container.variables
    assert (await service.list(stranger, PageRequest(count=True))).total == 0
    for attempt in (service.get(stranger, made["id"]), service.get(stranger, "greeting"), service.delete(stranger, made["id"])):
        with pytest.raises(NotFound):
            await attempt
    await service.create(stranger, VariableCreate(name="greeting", value="of a stranger"))
    assert await service.values(container.owner.tenant_id, None) == {"greeting": "Good morning"}


async def test_credentials_are_needed(anonymous):
    """Without a key nothing is told."""
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/v"), ("PUT", "/v"), ("DELETE", "/v")):
        assert (await anonymous.request(method, f"/api/v1/variables{path}")).status_code == 401
