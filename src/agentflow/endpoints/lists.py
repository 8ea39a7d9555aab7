"""Lists: paging, sorting, counting and choosing fields, the same for every resource."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.errors import Invalid
from agentflow.kit.pagination import Page, PageRequest

T = TypeVar("T")
MAX_LIMIT = 200


class PageOf(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T] = Field(description="The items of this page.")
    next_cursor: str | None = Field(default=None, description="Send as `cursor` for the next page; null on the last one.")
    total: int | None = Field(default=None, description="How many there are in all; only with `count=true`.")


def paging(*sortable: str) -> Callable[..., Awaitable[PageRequest]]:
    """Return a dependency that reads which page of a list is asked for; ``sortable`` names the fields it may be sorted by."""
    pattern = rf"^({'|'.join(sortable)})(:(asc|desc))?$"
    by = f"Order: one of {', '.join(sortable)}, with `:asc` or `:desc`."

    async def read(  # async, or FastAPI would call it in a thread
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items to return.")] = 50,
        cursor: Annotated[str | None, Query(max_length=2_000, description="`next_cursor` of the page before.")] = None,
        page: Annotated[int, Query(ge=1, le=1_000_000, description="Number of the page, instead of a cursor.")] = 1,
        sort: Annotated[str | None, Query(pattern=pattern, description=by, examples=[f"{sortable[0]}:desc"])] = None,
        count: Annotated[bool, Query(description="Also count all items, as `total`.")] = False,
    ) -> PageRequest:
        return PageRequest(limit, cursor, page, sort, count)

    return read


Fields: TypeAlias = Annotated[
    str | None,
    Query(max_length=2_000, description="Names of fields to return, separated by commas; all without it.", examples=["id,name"]),
]


def page_answer(page: Page[Any], model: type[BaseModel], fields: str | None, *, count: bool) -> JsonAnswer:
    """Return a page as an answer, each item cut down to ``fields``.

    Raises:
        Invalid: ``fields`` names one that the items do not have.
    """
    names = _names(model, fields)
    body: dict[str, Any] = {"items": [_only(item, names) for item in page.items], "next_cursor": page.next_cursor}
    if count:
        body["total"] = page.total
    return JsonAnswer(body)


def cut(item: BaseModel, model: type[BaseModel], fields: str | None) -> Any:
    """Return ``item`` with only the ``fields`` asked for; all of it when None.

    Raises:
        Invalid: ``fields`` names one that ``model`` does not have.
    """
    return _only(item, _names(model, fields))


def _only(item: BaseModel, names: Sequence[str] | None) -> Any:
    return item if names is None else {name: getattr(item, name) for name in names}


def _names(model: type[BaseModel], fields: str | None) -> Sequence[str] | None:
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",") if name.strip()]
    unknown = [name for name in names if name not in model.model_fields]
    if unknown or not names:
        raise Invalid(
            f"There is no field {', '.join(unknown) or fields!r}.",
            hint=f"Choose among {', '.join(model.model_fields)}.",
            errors=[{"in": "query", "path": "/fields", "message": f"unknown field {name}"} for name in unknown],
        )
    return names
