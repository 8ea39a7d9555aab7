"""docs/reference/permissions.md."""

from agentflow.identity.builtin_roles import INSTALLATION, PERMISSIONS, BuiltinRole
from agentflow.identity.permissions import Permission
from scripts.reference.text import code, member_docs, page, table


def render() -> str:
    """Return the page."""
    return page(
        "Permissions",
        "Each is `resource:action`; the resource is the noun of the REST path. A request without the one it needs is answered 403, code "
        "`FORBIDDEN`, and the message names it. The owner has them all. What is marked *installation* concerns all organisations: it is held in "
        "the one that runs the installation only.",
        table(("permission", "allows to", "roles"), ([code(name), text, _roles(name)] for name, text in member_docs(Permission).items())),
    )


def _roles(name: str) -> str:
    roles = [str(role) for role in BuiltinRole if name in PERMISSIONS[role] and role is not BuiltinRole.OWNER]
    return ", ".join([*(["*installation*"] if name in INSTALLATION else []), *roles]) or "owner"
