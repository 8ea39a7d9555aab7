"""A run that waits, on the command line: what it asks, how to answer it, and answering at a terminal."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agentflow.entrypoints.cli.exits import CliError
from agentflow.entrypoints.cli.printer import Printer
from agentflow.kit import json

if TYPE_CHECKING:
    from agentflow.entrypoints.cli.client import ApiClient

_ANSWERABLE = {"human", "before", "after", "attention"}
_CHOICES = {"before": ("continue", "finish"), "after": ("continue", "finish"), "attention": ("done", "retry", "fail")}
_MAX_LINE = 65_536
_MAX_DEPTH = 10


def at_terminal() -> bool:
    """Tell whether somebody can be asked: standard input and standard error are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def open_questions(client: "ApiClient", run_id: str, depth: int = 0) -> list[dict[str, Any]]:
    """Return what a run and its child runs wait for now, questions before events, oldest first."""
    page = await client.get(f"/runs/{run_id}/interrupts", limit=200, sort="created_at:asc")
    found = [item for item in page["items"] if item["status"] == "open"]
    if depth < _MAX_DEPTH:
        children = await client.get("/runs", parent_run_id=run_id, limit=200)
        for child in children["items"]:
            if child["status"] in {"waiting", "needs_attention"}:
                found += await open_questions(client, child["id"], depth + 1)
    return sorted(found, key=lambda item: item["kind"] not in _ANSWERABLE)


def choices(question: Mapping[str, Any]) -> Sequence[str]:
    """Return the decisions that a question offers; empty when it takes any."""
    return _CHOICES.get(question["kind"]) or question["request"].get("choices") or ()


def title(question: Mapping[str, Any]) -> str:
    """Return what is asked, in one line."""
    request, node = question["request"], question["node_id"]
    titles = {
        "event": f"waits for the event {request.get('event')}" + (f" with the key {request['key']}" if request.get("key") else ""),
        "before": f"stopped before {node}",
        "after": f"stopped behind {node}",
        "attention": request.get("message", ""),
    }
    return str(titles.get(question["kind"]) or request.get("title") or f"{node} asks")


def show(printer: Printer, question: Mapping[str, Any]) -> None:
    """Print a question with all that belongs to it."""
    request = question["request"]
    printer.step(f"? {title(question)}", "bold")
    if request.get("message") and question["kind"] == "human":
        printer.step(str(request["message"]))
    for name in ("details", "value", "config", "output", "json_schema"):
        if request.get(name) not in (None, {}):
            printer.step(f"{name}: {json.dumps(request[name])}")


def how_to_answer(printer: Printer, questions: Sequence[Mapping[str, Any]]) -> None:
    """Print what waits, and the command that answers each."""
    for question in questions:
        if question["kind"] not in _ANSWERABLE:
            printer.step(f"  {title(question)}: POST /api/v1/events, or /api/v1/runs/{question['run_id']}/signal")
            continue
        offered = choices(question)
        decision = f" --decision {'|'.join(offered)}" if len(offered) != 1 else ""
        values = " --values JSON" if question["request"].get("filled") else ""
        printer.step(f"  {title(question)}: agentflow runs answer {question['run_id']} {question['node_id']}{decision}{values}")


async def ask(client: "ApiClient", printer: Printer, question: Mapping[str, Any]) -> bool:
    """Ask at the terminal until there is a valid answer, and send it; False when the input has ended."""
    show(printer, question)
    while True:
        given = await _answer(printer, question)
        if given is None:
            return False
        place = {"interrupt_id": question["id"], "shown_hash": question["shown_hash"]}
        try:
            await client.post(f"/runs/{question['run_id']}/interrupt", place | given)
        except CliError as error:
            printer.step(error.message, "red")
            if error.hint:
                printer.step(f"hint: {error.hint}")
            if not await _still_open(client, question["id"]):
                return True
        else:
            return True


async def _still_open(client: "ApiClient", interrupt_id: str) -> bool:
    return bool((await client.get(f"/interrupts/{interrupt_id}"))["status"] == "open")


async def _answer(printer: Printer, question: Mapping[str, Any]) -> dict[str, Any] | None:
    offered, given = choices(question), {}
    if len(offered) == 1:
        given["decision"] = offered[0]
    else:
        decision = await _read(printer, f"decision [{'/'.join(offered)}]: ")
        if decision is None:
            return None
        given["decision"] = decision
    if given["decision"] == question["request"].get("filled") or given["decision"] == "done":
        text = await _read(printer, "values (JSON; empty keeps what is shown): ")
        if text is None:
            return None
        if text:
            given["values"] = _json_or_text(text)
    if question["kind"] == "human":
        comment = await _read(printer, "comment (may be empty): ")
        if comment:
            given["comment"] = comment
    return given


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except json.InvalidJson:
        return text


async def _read(printer: Printer, prompt: str) -> str | None:
    """Read a line from the terminal while the event loop goes on; None when the input has ended."""
    printer.stream(prompt)
    loop, fd = asyncio.get_running_loop(), sys.stdin.fileno()
    ready: asyncio.Future[None] = loop.create_future()

    def arrived() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, arrived)
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    # Not readline: what that reads ahead would never make the descriptor ready again.
    line = os.read(fd, _MAX_LINE)
    return line.decode(errors="replace").strip() if line else None
