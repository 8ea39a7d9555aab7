"""docs/reference/permissions.md."""

from agentflow.identity.permissions import Permission
from scripts.reference.text import code, member_docs, page, table


def render() -> str:
    """Return the page."""
    return page(
        "Permissions",
        "Each is `resource:action`; the resource is the noun of the REST path. The owner has them all. A request without the one it needs is "
        "answered 403, code `FORBIDDEN`, and the message names it.",
        table(("permission", "allows to"), ([code(name), text] for name, text in member_docs(Permission).items())),
    )
