"""Get text and structure out of a file."""

import base64
import binascii
from typing import Any

from pydantic import Field, model_validator

from agentflow.errors import NodeError
from agentflow.knowledge.documents import ParsedDocument
from agentflow.knowledge.parsers.limits import MAX_DOCUMENT_BYTES
from agentflow.knowledge.parsers.parse import content_type, parse
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext

OK = range(200, 300)
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class DocumentConfig(NodeConfig):
    """Where the document is; exactly one of `text`, `data` and `url`."""

    text: str | None = Field(default=None, description="The document itself, when it is text.", examples=["# Title\n\nBody"])
    data: str | None = Field(default=None, description="The file in base64.", examples=["{{ inputs.file }}"])
    url: str | None = Field(default=None, description="Where to fetch the file.", examples=["https://example.org/paper.pdf"])
    content_type: str | None = Field(
        default=None,
        max_length=200,
        description="`text/plain`, `text/markdown`, `text/html`, `text/csv` or `application/pdf`; else told by the file's name, the server or the content.",
        examples=["application/pdf"],
    )
    filename: str | None = Field(
        default=None, max_length=1_000, description="Name of the file; its extension tells the format.", examples=["paper.pdf"]
    )
    timeout_s: float = Field(default=30.0, gt=0, le=600, description="Seconds that fetching `url` may take.", examples=[30])

    @model_validator(mode="after")
    def _one_origin(self) -> "DocumentConfig":
        if [self.text, self.data, self.url].count(None) != 2:  # noqa: PLR2004 - two of three
            raise ValueError("give exactly one of text, data and url")
        return self


class DocumentPage(NodeOutput):
    """A page of the document, or the whole of one without pages."""

    number: int = Field(description="Page number, from 1.")
    text: str = Field(description="Its text.")


class DocumentSection(NodeOutput):
    """The text under one heading."""

    heading: str = Field(description="The heading with those above it, as `Guide > Setup`; empty before the first.")
    text: str = Field(description="Its text.")


class DocumentOutput(NodeOutput):
    """Text and structure."""

    text: str = Field(description="All of the text.")
    pages: list[DocumentPage] = Field(description="The text page by page; one page when the format has none.")
    sections: list[DocumentSection] = Field(description="The text heading by heading; one section when there are no headings.")
    metadata: dict[str, Any] = Field(
        description="What the file says of itself, such as `title`, `author`, `page_count` and `content_type`."
    )


class DocumentNode(NodeType[DocumentConfig]):
    """Extracts text from text, Markdown, HTML, CSV and PDF."""

    type = "document"
    title = "Document"
    description = "Extracts text, pages, headings and metadata from PDF, HTML, Markdown, CSV and plain text."
    category = "knowledge"
    icon = "file-text"
    config_model = DocumentConfig
    output_model = DocumentOutput
    example = {
        "id": "extract",
        "type": "document",
        "config": {"data": "{{ inputs.file }}", "filename": "paper.pdf"},
    }

    async def run(self, context: NodeContext, config: DocumentConfig) -> DocumentOutput:
        """Fetch and read the document; see the base for what it raises."""
        data, declared, filename = await self._fetch(context, config)
        media_type, charset = content_type(declared, filename, data)
        parsed = await parse(data, media_type, "utf-8" if config.text is not None else charset)
        return _output(parsed, media_type)

    async def _fetch(self, context: NodeContext, config: DocumentConfig) -> tuple[bytes, str | None, str | None]:
        if config.url is not None:
            response = await context.http.request("GET", config.url, timeout_s=config.timeout_s, max_bytes=MAX_DOCUMENT_BYTES)
            if response.status not in OK:
                raise NodeError(
                    f"The server answered {response.status} instead of the document.",
                    error_code="HTTP_STATUS",
                    retryable=response.status in TRANSIENT,
                    details={"status": response.status},
                )
            name = config.filename or response.url.partition("?")[0].rsplit("/", 1)[-1]
            return response.body, config.content_type or response.headers.get("content-type"), name
        if config.data is not None:
            return _decoded(config.data), config.content_type, config.filename
        return (config.text or "").encode(), config.content_type, config.filename


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data.partition(",")[2] if data.startswith("data:") else data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NodeError(
            "data is not base64.", error_code="INVALID_DOCUMENT", hint="Encode the file in base64, or pass its text as text."
        ) from error


def _output(parsed: ParsedDocument, media_type: str) -> DocumentOutput:
    text = parsed.text
    pages = [DocumentPage(number=page.number, text=text[page.start : page.end]) for page in parsed.pages]
    sections = [DocumentSection(heading=section.heading, text=text[section.start : section.end].strip()) for section in parsed.sections]
    return DocumentOutput(
        text=text,
        pages=pages or [DocumentPage(number=1, text=text)],
        sections=sections or [DocumentSection(heading="", text=text.strip())],
        metadata={"content_type": media_type, **parsed.metadata},
    )
