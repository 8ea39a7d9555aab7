"""What the configs of sources must be, by kind, as far as that can be told before their templates are filled in."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentflow.kit.json import pointer
from agentflow.llm.providers import PROVIDERS
from agentflow.nodes.base import hosts_named
from agentflow.nodes.data.http_target import HttpSource
from agentflow.sources.databases.settings import DatabaseSettings
from agentflow.spec.expressions.program import is_template


class VectorSource(BaseModel):
    """Settings of a source of kind ``vector``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: str = Field(min_length=1, description="Name of the collection.", examples=["papers"])


_CREDENTIALS = re.compile(r"://(?:[^/?#@{}]|\{\{ *secrets\.[A-Za-z0-9_]+ *\}\})*@")
"""User and password of a URL, of which secrets by name are the organisation's own: they say nothing of where it leads."""
_MODELS: Mapping[str, type[BaseModel]] = {"db": DatabaseSettings, "http": HttpSource, "vector": VectorSource}
_PROVIDED = frozenset({"llm", "embedding"})


def config_problems(kind: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a config, as JSON Pointer and message; a setting that is a template is not judged."""
    model = _MODELS.get(kind)
    if kind in _PROVIDED:
        name = config.get("provider")
        if isinstance(name, str) and is_template(name):
            return
        provider = PROVIDERS.get(name) if isinstance(name, str) else None
        if provider is None:
            yield "/provider", f"There is no provider {name!r}. Use one of: {', '.join(PROVIDERS)}."
            return
        model = provider.config_model
    if model is None:
        return
    try:
        model.model_validate(dict(config))
    except ValidationError as error:
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            if not _is_open(config, found["loc"]):
                yield pointer("", *found["loc"]), found["msg"].removeprefix("Value error, ") + "."


def reached(kind: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the hosts and files that a source with this config leads to; ``*`` where a template decides it."""
    texts = [config.get(name) for name in ("base_url", "url", "host")]
    if kind in _PROVIDED and config.get("base_url") is None:
        provider = PROVIDERS.get(str(config.get("provider")))
        default = None if provider is None else provider.config_model.model_fields.get("base_url")
        texts.append(None if default is None else default.default)
        if provider is None:
            texts.append("{{ provider }}")
    for written in texts:
        if isinstance(written, str):
            text = _CREDENTIALS.sub("://", written)
            yield from hosts_named(text if "://" in text or is_template(text) else f"host://{text}")
    if isinstance(config.get("path"), str):
        yield f"file:{config['path']}"


def _is_open(config: Any, place: tuple[str | int, ...]) -> bool:
    """Tell whether a template stands at a place, so that what will be there is not known."""
    value = config
    for part in place:
        items = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(items, dict) and part in items:
            value = items[part]
        # Other parts name the alternative that the value was held against, and lead nowhere.
    return isinstance(value, str) and is_template(value)
