"""PDF: text page by page, read by a process that can be stopped."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from agentflow.kit import json
from agentflow.knowledge.documents import DocumentTooLarge, InvalidDocument, Page, ParsedDocument
from agentflow.knowledge.parsers import pdf_worker
from agentflow.knowledge.parsers.limits import MAX_PAGES, MAX_TEXT_CHARACTERS, PDF_TIMEOUT_S

WORKER_MEMORY_BYTES = 1_000_000_000
_PARALLEL = 2
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYSTEMROOT")
"""Of the environment; the rest may hold secrets, which a parser of hostile files need not know."""

_turns = asyncio.Semaphore(_PARALLEL)


async def parse_pdf(data: bytes, *, timeout_s: float = PDF_TIMEOUT_S) -> ParsedDocument:
    """Return the text of a PDF file with its pages.

    Raises:
        InvalidDocument: the file is broken, encrypted, holds no text, or takes too long or too much memory.
        DocumentTooLarge: it has too many pages or too much text.
    """
    if b"%PDF-" not in data[:1024]:
        raise InvalidDocument("The file is no PDF document.", hint="Check its content_type.")
    async with _turns:
        answer = await _run(data, timeout_s)
    if "error" in answer:
        _refuse(answer)
    return _document(answer["pages"], answer["metadata"])


async def _run(data: bytes, timeout_s: float) -> Mapping[str, Any]:
    limits = map(str, (WORKER_MEMORY_BYTES, int(timeout_s) + 1, MAX_PAGES, MAX_TEXT_CHARACTERS))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(Path(pdf_worker.__file__)),
        *limits,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(data)
        return json.loads(output)  # type: ignore[no-any-return]
    except TimeoutError:
        return {"error": "slow"}
    except json.InvalidJson:
        return {"error": "died"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _refuse(answer: Mapping[str, Any]) -> NoReturn:
    error = answer["error"]
    if error == "pages":
        raise DocumentTooLarge(f"The PDF file has {answer['found']} pages; {MAX_PAGES} are allowed.", hint="Split it into smaller files.")
    if error == "characters":
        raise DocumentTooLarge(f"The PDF file has more than {MAX_TEXT_CHARACTERS} characters of text.", hint="Split it into smaller files.")
    if error == "encrypted":
        raise InvalidDocument("The PDF file is encrypted.", hint="Send it without its password.")
    if error == "slow":
        raise InvalidDocument("Reading the PDF file took too long.", hint="Split it into smaller files, or print it to a new PDF.")
    if error == "died":
        raise InvalidDocument(
            "Reading the PDF file took too much memory or time.", hint="Split it into smaller files, or print it to a new PDF."
        )
    raise InvalidDocument(f"The PDF file is broken ({answer.get('reason')}).", hint="Print it to a new PDF.")


def _document(texts: list[str], metadata: Mapping[str, Any]) -> ParsedDocument:
    pages, position = [], 0
    for number, text in enumerate(texts, start=1):
        pages.append(Page(number, position, position + len(text)))
        position += len(text) + 2
    whole = "\n\n".join(texts)
    if not whole.strip():
        raise InvalidDocument("The PDF file holds no text.", hint="It may be scanned: run it through text recognition first.")
    return ParsedDocument(whole, pages=tuple(pages), metadata={**metadata, "page_count": len(pages)})
