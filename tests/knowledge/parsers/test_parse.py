"""Reading files of every supported type, whole and broken."""

from pathlib import Path

import pytest
from fpdf import FPDF
from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.knowledge.documents import DocumentTooLarge, InvalidDocument, UnsupportedDocument
from agentflow.knowledge.parsers import isolated, limits
from agentflow.knowledge.parsers.html import QUICK_CHARACTERS, read_html
from agentflow.knowledge.parsers.markdown import parse_markdown
from agentflow.knowledge.parsers.parse import content_type, parse
from agentflow.knowledge.parsers.pdf import parse_pdf


def pdf(*pages: str, password: str | None = None) -> bytes:
    document = FPDF()
    document.set_title("On sleep")
    document.set_font("helvetica", size=12)
    if password is not None:
        document.set_encryption(owner_password="owner", user_password=password)
    for text in pages:
        document.add_page()
        document.cell(text=text or " ")
    return bytes(document.output())


async def test_pdf_gives_pages_and_facts() -> None:
    """Text comes page by page, with title and page count."""
    parsed = await parse(pdf("First page.", "Second page."), "application/pdf")
    assert [parsed.text[page.start : page.end].strip() for page in parsed.pages] == ["First page.", "Second page."]
    assert [page.number for page in parsed.pages] == [1, 2]
    assert parsed.metadata == {"title": "On sleep", "page_count": 2}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no PDF"),
        (b"hello", "no PDF"),
        (b"%PDF-1.7\ngarbage", "broken"),
        (pdf("cut")[:500], "broken"),
        (pdf("secret", password="x"), "encrypted"),
        (pdf(""), "no text"),
    ],
)
async def test_broken_pdfs_are_typed_errors(data: bytes, says: str) -> None:
    """S92: empty, foreign, cut, encrypted and textless files each say what is wrong."""
    with pytest.raises(InvalidDocument, match=says):
        await parse(data, "application/pdf")


async def test_protected_pdf_without_password_is_read() -> None:
    """A file that only an owner's password protects opens for every reader, so for us."""
    assert "open" in (await parse(pdf("open", password=""), "application/pdf")).text


async def test_runaway_pdf_is_stopped() -> None:
    """S92: reading ends with its time, whatever the file makes the parser do."""
    with pytest.raises(InvalidDocument, match="too much time"):
        await parse_pdf(pdf("slow"), timeout_s=0.001)


async def test_html_gives_what_a_reader_sees() -> None:
    """Scripts and styles are gone, blocks stand apart, headings make sections, the title is known."""
    page = b"""<html lang="en"><head><title> A  title </title><style>x{}</style></head><body><script>bad()</script>
    <h1>One <em>two</em></h1><p>Some <b>bold</b> text</p><div>inner</div>tail<h2>Sub</h2><ul><li>x</li><li>y</li></ul></body></html>"""
    parsed = await parse(page, "text/html")
    assert parsed.text == "One two\n\nSome bold text\n\ninner\ntail\n\nSub\n\nx\ny"
    assert [(section.heading, parsed.text[section.start : section.end].strip()) for section in parsed.sections] == [
        ("One two", "Some bold text\n\ninner\ntail"),
        ("One two > Sub", "x\ny"),
    ]
    assert parsed.metadata == {"title": "A title", "language": "en"}


async def test_large_html_is_read_apart() -> None:
    """A page beyond the quick bound gives the same as it would here."""
    page = "<h1>T</h1>" + "<p>word</p>" * 6000
    assert len(page) > QUICK_CHARACTERS
    assert await parse(page.encode(), "text/html") == read_html(page)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("<>/ abhp123dv=\"'&;!-\n"), max_size=300))
def test_any_markup_has_exact_sections(text: str) -> None:
    """Whatever the tags, sections lie in order inside the text."""
    parsed = read_html(text)
    ends = [position for section in parsed.sections for position in (section.start, section.end)]
    assert ends == sorted(ends)
    assert not ends or ends[-1] <= len(parsed.text)


def test_markdown_headings_make_sections() -> None:
    """Headings nest, code fences hide them, closing marks are no part of them, and the first is the title."""
    text = "intro\n# A #\ntext\n```sh\n# no heading\n```\n## B\nmore\n# C\n"
    parsed = parse_markdown(text)
    assert [(section.heading, text[section.start : section.end].strip()) for section in parsed.sections] == [
        ("", "intro"),
        ("A", "text\n```sh\n# no heading\n```"),
        ("A > B", "more"),
    ]
    assert parsed.metadata == {"title": "A"}


@settings(deadline=None)
@given(st.text(st.sampled_from("#`~ ab\n\r\u2028"), max_size=200))
def test_any_markdown_is_covered(text: str) -> None:
    """Sections lie in order inside the text, and what is in none of them is headings or space."""
    parsed = parse_markdown(text)
    position = 0
    for section in parsed.sections:
        assert position <= section.start <= section.end <= len(text)
        assert all(line.strip() == "" or line.lstrip().startswith("#") for line in text[position : section.start].splitlines())
        position = section.end


async def test_csv_rows_become_lines() -> None:
    """Each row names its columns; the delimiter is found out."""
    parsed = await parse(b"name;age\nAda;36\n;12\nBob;40;extra\n", "text/csv")
    assert parsed.text == "name: Ada; age: 36\n\nage: 12\n\nname: Bob; age: 40; column 3: extra"
    assert parsed.metadata == {"columns": ["name", "age"], "rows": 3}


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("é\r\nx\ry".encode(), None, "é\nx\ny"),
        ("é".encode("utf-8-sig"), None, "é"),
        ("é".encode("utf-16"), None, "é"),
        ("é".encode("cp1252"), None, "é"),
        ("ж".encode("koi8-r"), "koi8-r", "ж"),
    ],
)
async def test_encodings_are_found_out(data: bytes, charset: str | None, text: str) -> None:
    """Byte order marks, the declared charset and UTF-8 are tried in that order, Windows-1252 last."""
    assert (await parse(data, "text/plain", charset)).text == text


@pytest.mark.parametrize(
    ("data", "charset"), [(b"a\0b", None), (b"a", "nonsense"), (b"a", "base64"), (b"\xff", "utf-8"), (b"+2AA-", "utf-7")]
)
async def test_what_is_no_text_is_refused(data: bytes, charset: str | None) -> None:
    """NUL, unknown and unfitting charsets, and codecs that are no encodings are typed errors."""
    with pytest.raises(InvalidDocument):
        await parse(data, "text/plain", charset)


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "x" * 500])
async def test_other_types_are_unsupported(kind: str) -> None:
    """A type that no parser reads names those that are."""
    with pytest.raises(UnsupportedDocument) as caught:
        await parse(b"x", kind)
    assert "application/pdf" in (caught.value.hint or "")


async def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes and characters beyond the limits are refused."""
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 10)
    monkeypatch.setattr(limits, "MAX_TEXT_CHARACTERS", 5)
    with pytest.raises(DocumentTooLarge, match="bytes"):
        await parse(b"x" * 11, "text/plain")
    with pytest.raises(DocumentTooLarge, match="characters"):
        await parse(b"x" * 6, "text/plain")


@pytest.mark.parametrize(
    ("declared", "filename", "data", "expected"),
    [
        ("text/html; charset=koi8-r", None, b"", ("text/html", "koi8-r")),
        ("application/octet-stream", "a.md", b"", ("text/markdown", None)),
        (None, "A.PDF", b"", ("application/pdf", None)),
        ("text/plain", "a.md", b"", ("text/markdown", None)),
        (None, None, b"%PDF-1.7", ("application/pdf", None)),
        (None, "noextension", b"x", ("text/plain", None)),
        ("TEXT/CSV", "a.md", b"", ("text/csv", None)),
    ],
)
def test_type_is_told_by_header_name_or_content(
    declared: str | None, filename: str | None, data: bytes, expected: tuple[str, str | None]
) -> None:
    """What was declared counts unless it says nothing; then the name, then the first bytes."""
    assert content_type(declared, filename, data) == expected


async def test_s106_a_parser_knows_nothing_of_the_environment(monkeypatch):
    """What reads hostile files gets the names that Python needs, and no secret of the server."""
    monkeypatch.setenv("AGENTFLOW_MASTER_KEY", "canary of the environment")
    monkeypatch.setenv("AGENTFLOW_DATABASE_URL", "postgresql://u:canary@x/y")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setattr(isolated, "WORKER", "tests.knowledge.parsers.shows_environment")
    shown = await isolated.read_isolated("pdf", b"", 30)
    assert "canary" not in str(shown)
    assert "PATH" in shown["environment"]
    assert set(shown["environment"]) <= {*isolated._PASSED_ON, "LC_CTYPE"}
