"""REST: variables."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import VariablesRead, VariablesWrite
from agentflow.kit.pagination import PageRequest
from agentflow.variables.schemas import Variable, VariableCreate, VariableReplace
from agentflow.variables.service import VariableService

router = slice_router("/api/v1", "variables")

Ref = Annotated[str, Path(description="Id of the variable, or its name.", examples=["greeting"], max_length=100)]


def _variables(request: Request) -> VariableService:
    service: VariableService = request.app.state.container.variables
    return service


@router.post("/variables", status_code=201, operation_id="create_variable", summary="Store a variable", response_model=Variable)
async def create_variable(request: Request, subject: VariablesWrite, new: VariableCreate, idempotency: IdempotencyKey) -> Response:
    """Store a new variable; workflows read it as `vars.NAME`."""
    made = await _variables(request).create(subject, new, idempotency=idempotency)
    return JsonAnswer(made, 201, {"Location": f"/api/v1/variables/{made.id}"})


@router.get("/variables", operation_id="list_variables", summary="List variables", response_model=PageOf[Variable])
async def list_variables(
    request: Request, subject: VariablesRead, page: Annotated[PageRequest, Depends(paging("name"))], fields: Fields = None
) -> Response:
    """List variables by name."""
    return page_answer(await _variables(request).list(subject, page), Variable, fields, count=page.count)


@router.get("/variables/{variable}", operation_id="get_variable", summary="Get a variable", response_model=Variable)
async def get_variable(request: Request, subject: VariablesRead, variable: Ref, fields: Fields = None) -> Response:
    """Return a variable."""
    return JsonAnswer(cut(await _variables(request).get(subject, variable), Variable, fields))


@router.put("/variables/{variable}", operation_id="replace_variable", summary="Replace a variable", response_model=Variable)
async def replace_variable(request: Request, subject: VariablesWrite, variable: Ref, new: VariableReplace) -> Response:
    """Give a variable another value; runs that were accepted before keep the old one."""
    return JsonAnswer(await _variables(request).replace(subject, variable, new))


@router.delete("/variables/{variable}", status_code=204, operation_id="delete_variable", summary="Delete a variable", responses={409: {}})
async def delete_variable(request: Request, subject: VariablesWrite, variable: Ref) -> Response:
    """Delete a variable that no workflow uses."""
    await _variables(request).delete(subject, variable)
    return Response(status_code=204)
