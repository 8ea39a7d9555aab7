"""Extracting text in a workflow."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fpdf import FPDF

from agentflow.errors import NodeError
from agentflow.knowledge.documents import InvalidDocument, UnsupportedDocument
from agentflow.nodes.knowledge.document import DocumentConfig, DocumentNode, DocumentOutput
from agentflow.sources.http.client import GuardedHttpClient
from tests.nodes.context import FakeContext


@asynccontextmanager
async def serving(status: int, content_type: str, body: bytes) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def context() -> AsyncIterator[FakeContext]:
    http = GuardedHttpClient({"127.0.0.1"})
    yield FakeContext(http=http)
    await http.aclose()


async def extract(context: FakeContext, **config: Any) -> DocumentOutput:
    return await DocumentNode().run(context, DocumentConfig(**config))


async def test_pdf_in_base64(context: FakeContext) -> None:
    """A PDF file sent as base64 gives its pages."""
    document = FPDF()
    document.set_font("helvetica", size=12)
    for text in ("One.", "Two."):
        document.add_page()
        document.cell(text=text)
    data = base64.b64encode(bytes(document.output())).decode()
    output = await extract(context, data=data, filename="paper.pdf")
    assert [(page.number, page.text.strip()) for page in output.pages] == [(1, "One."), (2, "Two.")]
    assert output.metadata == {"content_type": "application/pdf", "page_count": 2}
    assert (await extract(context, data=f"data:application/pdf;base64,{data}")).metadata["page_count"] == 2


async def test_text_with_headings(context: FakeContext) -> None:
    """Markdown gives sections; plain text is one page and one section."""
    output = await extract(context, text="# A\n\nx\n\n## B\n\ny", content_type="text/markdown")
    assert [(section.heading, section.text) for section in output.sections] == [("A", "x"), ("A > B", "y")]
    plain = await extract(context, text="just é words")
    assert (plain.pages[0].text, plain.sections[0].text) == ("just é words", "just é words")


async def test_url_is_fetched_through_the_guard(context: FakeContext) -> None:
    """The server's type and the URL's name tell the format; private hosts need leave."""
    async with serving(200, "text/html; charset=koi8-r", "<p>ж</p>".encode("koi8-r")) as url:
        assert (await extract(context, url=url)).text == "ж"
        context.http = GuardedHttpClient()
        with pytest.raises(NodeError) as caught:
            await extract(context, url=url)
        assert caught.value.error_code == "SSRF_BLOCKED"
    async with serving(200, "application/octet-stream", b"# T\n\nx") as url:
        context.http = GuardedHttpClient({"127.0.0.1"})
        assert (await extract(context, url=f"{url}/docs/a.md?x=1")).metadata["content_type"] == "text/markdown"


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (503, True)])
async def test_failed_fetch_is_typed(context: FakeContext, status: int, retryable: bool) -> None:
    """An answer that is no document fails the node, to be repeated only where that may help."""
    async with serving(status, "text/html", b"no") as url:
        with pytest.raises(NodeError) as caught:
            await extract(context, url=url)
    assert (caught.value.error_code, caught.value.retryable) == ("HTTP_STATUS", retryable)


async def test_bad_files_are_typed(context: FakeContext) -> None:
    """No base64, a broken PDF and a foreign type each have their error."""
    with pytest.raises(NodeError) as caught:
        await extract(context, data="%%%")
    assert caught.value.error_code == "INVALID_DOCUMENT"
    with pytest.raises(InvalidDocument):
        await extract(context, data=base64.b64encode(b"%PDF-1.7 cut").decode())
    with pytest.raises(UnsupportedDocument):
        await extract(context, text="x", content_type="image/png")


@pytest.mark.parametrize("config", [{}, {"text": "a", "url": "https://x/y"}, {"text": "a", "timeout_s": 0}])
def test_bad_configs_are_refused(config: dict[str, Any]) -> None:
    """Exactly one origin must be given."""
    assert DocumentNode().check_config(config)
