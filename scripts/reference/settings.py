"""docs/reference/settings.md."""

from typing import Any

from pydantic_core import PydanticUndefined

from agentflow.config.edges import EdgeSettings
from agentflow.config.identity import IdentitySettings
from agentflow.config.limits import Limits
from agentflow.config.runtime import RuntimeSettings
from agentflow.config.settings import Settings
from agentflow.config.storage import StorageSettings
from agentflow.config.traffic import TrafficSettings
from scripts.reference.text import code, kind_of, page, table


def render() -> str:
    """Return the page."""
    areas = (EdgeSettings, IdentitySettings, Limits, RuntimeSettings, StorageSettings, TrafficSettings)
    own = [name for name in Settings.model_fields if not any(name in area.model_fields for area in areas)]
    return page(
        "Settings",
        "Every setting is an environment variable, or a line of the TOML file that `AGENTFLOW_CONFIG` names (without the prefix, in small "
        "letters). The environment wins over the file, and options of the command line win over both. A setting with an impossible value "
        "stops the start with a message that names it.",
        "## General\n\n" + _table(own),
        "## Runtime\n\n" + _table(list(RuntimeSettings.model_fields)),
        "## Storage\n\n" + _table(list(StorageSettings.model_fields)),
        "## Traffic\n\n" + _table(list(TrafficSettings.model_fields)),
        "## Requests\n\n" + _table(list(EdgeSettings.model_fields)),
        "## Identity\n\n" + _table(list(IdentitySettings.model_fields)),
        "## Limits\n\nPassing a limit is refused by name; nothing is ever cut short.\n\n" + _table(list(Limits.model_fields)),
    )


def _table(names: list[str]) -> str:
    schema = Settings.model_json_schema()["properties"]
    rows = (
        [code(f"AGENTFLOW_{name.upper()}"), kind_of(schema[name]), _default(name), schema[name].get("description", "")] for name in names
    )
    return table(("variable", "type", "default", "meaning"), rows)


def _default(name: str) -> str:
    value: Any = Settings.model_fields[name].get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or value in (frozenset(), {}):
        return ""
    return code(value)
