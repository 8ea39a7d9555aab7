"""CSV: one paragraph a row, each value beside the name of its column."""

import csv
import io

from agentflow.knowledge.documents import InvalidDocument, ParsedDocument
from agentflow.knowledge.parsers.limits import check_text

_SNIFFED = 4_096
_DELIMITERS = ",;\t|"


def parse_csv(text: str) -> ParsedDocument:
    """Return a table with a header row as text: ``name: value`` for each filled cell, rows apart by an empty line.

    Raises:
        InvalidDocument: the rows cannot be told apart.
        DocumentTooLarge: the text is too long.
    """
    try:
        rows = list(csv.reader(io.StringIO(check_text(text)), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise InvalidDocument(f"The CSV file cannot be read: {error}.") from error
    if not rows:
        return ParsedDocument("")
    names, *records = rows
    shown = "\n\n".join(line for record in records if (line := _line(names, record)))
    return ParsedDocument(check_text(shown), metadata={"columns": names, "rows": len(records)})


def _delimiter(text: str) -> str:
    first = text[:_SNIFFED].split("\n", 1)[0]
    return max(_DELIMITERS, key=first.count)


def _line(names: list[str], record: list[str]) -> str:
    named = [(names[index] if index < len(names) else f"column {index + 1}", value) for index, value in enumerate(record)]
    return "; ".join(f"{name}: {value}" for name, value in named if value.strip())
