"""Reading event streams."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.sources.chat_models import sse
from agentflow.sources.chat_models.sse import InvalidEventStream, event_data


async def pieces(data: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in pairwise(places):
        yield data[start:end]


async def read(data: bytes, cuts: list[int]) -> list[str]:
    return [text async for text in event_data(pieces(data, cuts))]


@settings(deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1), max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(1, 300), max_size=40),
)
async def test_cuts_do_not_matter(texts: list[str], end: str, cuts: list[int]) -> None:
    """However the network cuts the bytes, and whichever line ends are used, the same events come out."""
    data = "".join(f": comment{end}data: {text}{end}{end}" for text in texts).encode()
    assert await read(data, cuts) == texts


@settings(deadline=None)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(1, 300), max_size=20))
async def test_any_bytes_are_read_or_refused(data: bytes, cuts: list[int]) -> None:
    """No bytes at all make the reader fail in another way than its own."""
    try:
        await read(data, cuts)
    except InvalidEventStream:
        return


async def test_data_of_several_lines_is_one_event() -> None:
    """Lines of data before an empty line belong together; what the end cuts off is dropped."""
    assert await read(b"data: a\ndata:b\n\ndata: cut", []) == ["a\nb"]


@pytest.mark.parametrize("data", [b"data: " + b"x" * 600, b"data: aaaa\n" * 150])
async def test_large_events_are_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one long line nor many short ones may fill the memory."""
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 500)
    with pytest.raises(InvalidEventStream):
        await read(data, [])
