"""``make demo``: index this project's documentation and answer a question from it, all on this machine."""

import argparse
import asyncio
import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agentflow.entrypoints.cli.client import ApiClient
from agentflow.entrypoints.cli.connect import connect
from agentflow.entrypoints.cli.exits import CliError, Exit
from agentflow.entrypoints.cli.files import read_object
from agentflow.entrypoints.cli.printer import Printer, report
from agentflow.entrypoints.cli.progress import Progress, duration

ROOT = Path(__file__).parents[1]
COLLECTION = "docs"
# Short passages: the local model is small and loses its way in long ones.
CHUNK_SIZE = 400
QUESTION = "What happens when the process that drives a run dies?"


def documents() -> dict[str, str]:
    """Return the pages of the documentation that people wrote, by their path."""
    pages = sorted(path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts)
    return {str(path.relative_to(ROOT)): path.read_text() for path in pages}


async def index(client: ApiClient, printer: Printer) -> None:
    """Bring the collection up to date: pages that have not changed since the last time are left alone."""
    existing = {item["name"] for item in (await client.get("/collections", limit=200))["items"]}
    if COLLECTION not in existing:
        await client.post("/collections", {"name": COLLECTION, "description": "The documentation of this project."})
    stored = await hashes(client)
    wanted = {path: (text, hashlib.sha256(text.encode()).hexdigest()) for path, text in documents().items()}
    for path in stored.keys() - wanted.keys():
        await client.delete(f"/collections/{COLLECTION}/documents/{quote(path)}")
    changed = {path: page for path, page in wanted.items() if stored.get(path) != page[1]}
    printer.step(f"collection {COLLECTION}: {len(wanted)} pages, {len(changed)} to index")
    for path, (text, digest) in changed.items():
        document = {"id": path, "text": text, "metadata": {"file": path, "sha256": digest}}
        await client.post(f"/collections/{COLLECTION}/documents", {"documents": [document], "chunk_size": CHUNK_SIZE, "chunk_overlap": 0})
        printer.step(f"  ✓ {path}", "green")


async def hashes(client: ApiClient) -> dict[str, str | None]:
    """Return the hash that each stored page had when it was indexed."""
    found: dict[str, str | None] = {}
    cursor = None
    while True:
        page = await client.get(f"/collections/{COLLECTION}/documents", limit=200, cursor=cursor)
        found |= {item["id"]: (item.get("metadata") or {}).get("sha256") for item in page["items"]}
        cursor = page.get("next_cursor")
        if cursor is None:
            return found


async def ask(client: ApiClient, question: str, printer: Printer) -> dict[str, Any]:
    """Run the example workflow, show it as it happens, and return the run with its nodes."""
    spec = read_object(str(ROOT / "examples" / "cited-answer.json"))
    run = await client.post("/execute", {"spec": spec, "inputs": {"question": question, "collection": COLLECTION}})
    printer.step(f"\n{question}", "bold")
    progress = Progress(printer)
    async for event in client.follow(run["id"]):
        progress.show(event)
    return {**await client.get(f"/runs/{run['id']}"), "nodes": (await client.get(f"/runs/{run['id']}/nodes"))["items"]}


def show(run: Mapping[str, Any], printer: Printer) -> None:
    """Print the answer, where it comes from, and what it took."""
    printer.line()
    printer.line(run["outputs"]["answer"].strip(), "bold")
    printer.line()
    for number, match in enumerate(run["outputs"]["citations"], 1):
        printer.line(f"[{number}] {place(match)}  (score {match['score']:.2f})")
        printer.line(f"    {' '.join(match['text'].split())[:150]} …")
    printer.line()
    printer.table(
        ("node", "type", "status", "time", "tokens"),
        (
            [n["node_id"], n["type"], n["status"], duration(n["duration_ms"]) or "-", n["usage"]["total_tokens"] or "-"]
            for n in run["nodes"]
        ),
    )
    usage = run["usage"]
    printer.line()
    printer.line(f"tokens {usage['input_tokens']} in, {usage['output_tokens']} out; {duration(run['duration_ms'])}; run {run['id']}")


def place(match: Mapping[str, Any]) -> str:
    """Return where a passage stands: its file and, where it has one, its heading."""
    metadata = match.get("metadata") or {}
    heading = metadata.get("heading")
    return f"{metadata.get('file', match.get('document_id'))}{f': {heading}' if heading else ''}"


async def demo(question: str, data_dir: Path | None) -> int:
    """Do it all and return the exit code."""
    printer = Printer(progress=sys.stdout)
    async with connect(None, data_dir) as client:
        await index(client, printer)
        run = await ask(client, question, printer)
    if run["status"] != "succeeded":
        error = run["error"] or {}
        raise CliError(f"The run {run['id']} {run['status']}: {error.get('message', '')}", Exit.RUN_FAILED, hint=error.get("hint"))
    show(run, printer)
    return Exit.OK


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--question", default=QUESTION, help="what to ask")
    parser.add_argument("--data-dir", type=Path, help="where to keep the collection and the runs")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(demo(options.question, options.data_dir))
    except CliError as error:
        report(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
