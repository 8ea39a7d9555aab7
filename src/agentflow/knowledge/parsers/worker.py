"""Reads one file from standard input and writes its text as JSON: a process of its own, which can be stopped.

Hostile files can make a parser run for hours or eat all memory, and native parsers do so while they hold the interpreter's lock.
"""

import io
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any


def _limit(memory_bytes: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows; there only the parent's clock stops a runaway
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def _read_pdf(data: bytes, max_pages: int, max_characters: int) -> Mapping[str, Any]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"error": "encrypted"}
    if len(reader.pages) > max_pages:
        return {"error": "pages", "found": len(reader.pages)}
    pages, characters = [], 0
    for page in reader.pages:
        text = page.extract_text().replace("\0", " ").encode(errors="replace").decode()
        characters += len(text)
        if characters > max_characters:
            return {"error": "characters"}
        pages.append(text)
    facts: Mapping[str, object] = reader.metadata or {}
    found = {name: str(facts[key])[:1000] for name, key in (("title", "/Title"), ("author", "/Author")) if facts.get(key)}
    return {"pages": pages, "metadata": {name: text.replace("\0", "").encode(errors="replace").decode() for name, text in found.items()}}


def _read_html(data: bytes) -> Mapping[str, Any]:
    from agentflow.knowledge.parsers.html import read_html

    return asdict(read_html(data.decode()))


def main() -> None:
    """Read the file; arguments: format, memory in bytes, CPU seconds, most pages, most characters."""
    kind = sys.argv[1]
    memory, seconds, pages, characters = map(int, sys.argv[2:6])
    _limit(memory, seconds)
    try:
        data = sys.stdin.buffer.read()
        answer = _read_pdf(data, pages, characters) if kind == "pdf" else _read_html(data)
    except Exception as error:  # noqa: BLE001 - a broken file may make the parser fail in any way
        name = type(error).__name__
        # AES needs a library of its own, which pypdf asks for when it is not there.
        answer = {"error": "encrypted"} if name == "DependencyError" else {"error": "broken", "reason": name}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
