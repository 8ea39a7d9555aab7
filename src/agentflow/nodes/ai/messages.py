"""The messages of a chat, as a node's config writes them."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agentflow.errors import NodeError
from agentflow.kit import json

MAX_IMAGES = 20
_SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


class ToolCall(BaseModel):
    """A call that the model asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(description="Ties the tool's answer to the call.", examples=["call_0"])
    name: str = Field(description="The tool.", examples=["get_weather"])
    arguments: dict[str, Any] = Field(description="What to call it with.", examples=[{"city": "Oslo"}])


class Message(BaseModel):
    """One message of a chat."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "user", "assistant", "tool"] = Field(description="Who speaks.", examples=["user"])
    content: str | list[dict[str, Any]] | None = Field(
        default=None,
        description="What is said: a text, or parts such as `{type: text, text: …}` and `{type: image_url, image_url: {url: …}}`.",
        examples=["What is in the paper?"],
    )
    tool_calls: list[ToolCall] = Field(default_factory=list, description="Calls that an assistant message asks for.", examples=[[]])
    tool_call_id: str | None = Field(default=None, description="For a `tool` message: the call it answers.", examples=["call_0"])

    @model_validator(mode="after")
    def _has_something(self) -> "Message":
        if self.content is None and not self.tool_calls:
            raise ValueError("a message needs content or tool_calls")
        return self

    def wire(self) -> dict[str, Any]:
        """Return the message in OpenAI's shape."""
        message: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}}
                for call in self.tool_calls
            ]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message


def with_images(text: str, images: Sequence[str]) -> str | list[dict[str, Any]]:
    """Return a user message's content: the text, and each image (a URL, a ``data:`` URL, or base64) as a part.

    Raises:
        NodeError: ``INVALID_CONFIG`` when an image is none of these.
    """
    if not images:
        return text
    return [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images)]


def _image_url(image: str) -> str:
    if image.startswith(("https://", "http://", "data:image/")):
        return image
    try:
        head = base64.b64decode(image[:64], validate=True)
        base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise _no_image() from error
    kind = next((kind for signature, kind in _SIGNATURES.items() if head.startswith(signature)), None)
    if kind is None:
        raise _no_image()
    return f"data:{kind};base64,{image}"


def _no_image() -> NodeError:
    return NodeError(
        "An image is neither a URL nor base64 of a PNG, JPEG, GIF or WebP file.",
        error_code="INVALID_CONFIG",
        hint="Pass https://…, data:image/…;base64,…, or the base64 text of the file.",
    )
