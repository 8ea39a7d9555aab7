"""Cutting documents into chunks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.knowledge.chunkers import chunk
from agentflow.knowledge.documents import Page, ParsedDocument
from agentflow.knowledge.parsers.markdown import parse_markdown

TEXTS = st.text(st.sampled_from("ab .\n\u00a0\u65e5"), max_size=3000)


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, size=st.integers(100, 400), overlap=st.integers(0, 500))
def test_chunks_cover_everything_within_bounds(text: str, size: int, overlap: int) -> None:
    """Every visible character is in a chunk, no chunk is too long, offsets are exact, and the count stays linear."""
    pieces = chunk(ParsedDocument(text), size, overlap)
    covered = set()
    for piece in pieces:
        assert text[piece.start : piece.end] == piece.text
        assert 0 < len(piece.text) <= size
        assert piece.text == piece.text.strip()
        covered.update(range(piece.start, piece.end))
    assert all(index in covered for index, letter in enumerate(text) if not letter.isspace())
    assert len(pieces) <= 4 * len(text) // size + 1


def test_cuts_fall_between_paragraphs() -> None:
    """A cut is made at the last paragraph's end that fits, not in a sentence."""
    text = "First sentence here. " * 4 + "\n\n" + "Second paragraph goes on. " * 4
    assert chunk(ParsedDocument(text), 120, 0)[0].text == ("First sentence here. " * 4).strip()


def test_neighbours_overlap_at_words() -> None:
    """The end of a chunk comes again at the beginning of the next, from a whole word on."""
    text = " ".join(f"word{number:03}" for number in range(60))
    first, second = chunk(ParsedDocument(text), 200, 50)[:2]
    assert second.start < first.end
    assert second.text.startswith("word")


def test_chunks_know_heading_and_page() -> None:
    """A chunk tells the headings above it and the page it begins on."""
    text = "# Guide\n\nIntro.\n\n## Setup\n\nRun it.\n"
    assert [(piece.heading, piece.text) for piece in chunk(parse_markdown(text))] == [("Guide", "Intro."), ("Guide > Setup", "Run it.")]
    paged = ParsedDocument("one\n\ntwo", pages=(Page(1, 0, 3), Page(2, 5, 8)))
    assert [piece.page for piece in chunk(paged, 100, 0)] == [1]


def test_nothing_makes_no_chunks() -> None:
    """White space alone is no chunk."""
    assert chunk(ParsedDocument(" \n\n ")) == []
