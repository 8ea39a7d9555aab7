"""docs/reference/events.md."""

from agentflow.runtime.journal.events import Event
from agentflow.runtime.states import EventType, NodeStatus, RunStatus
from scripts.reference.text import code, member_docs, page, schema_rows, table


def render() -> str:
    """Return the page."""
    fields = [[name, kind, text] for name, kind, _, text in schema_rows(Event.model_json_schema())]
    return page(
        "Runs and events",
        "What happens in a run is one list of events, numbered from 1 without a gap. History, live streams and the command line read the "
        "same list: see [how to stream events](../how-to/stream-events.md).",
        "## Fields of an event\n\n" + table(("field", "type", "meaning"), fields),
        "## Types of event\n\n" + table(("type", "means"), ([code(name), text] for name, text in member_docs(EventType).items())),
        "## Status of a run\n\n" + table(("status", "means"), ([code(name), text] for name, text in member_docs(RunStatus).items())),
        "## Status of a node\n\n" + table(("status", "means"), ([code(name), text] for name, text in member_docs(NodeStatus).items())),
    )
