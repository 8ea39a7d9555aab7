"""Sections from headings of several levels."""

from collections.abc import Sequence
from dataclasses import dataclass

from agentflow.knowledge.documents import Section

_SEPARATOR = " > "
MAX_HEADING = 300


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its level (1 is the outermost), its words, where its line starts and where the text below it starts."""

    level: int
    title: str
    start: int
    end: int


def sections(text: str, headings: Sequence[Heading]) -> tuple[Section, ...]:
    """Return the stretches between headings that hold any text, each with the path of headings above it."""
    found = [Section(0, headings[0].start if headings else len(text))]
    path: list[Heading] = []
    for index, heading in enumerate(headings):
        path = [above for above in path if above.level < heading.level] + [heading]
        end = headings[index + 1].start if index + 1 < len(headings) else len(text)
        found.append(Section(heading.end, end, _SEPARATOR.join(above.title for above in path if above.title)[:MAX_HEADING]))
    return tuple(section for section in found if text[section.start : section.end].strip())
