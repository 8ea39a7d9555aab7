"""What is let in from outside: from where, in what shape, and how much a minute."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode

_ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+", re.IGNORECASE)
_ROUTE = re.compile(r"(GET|HEAD|POST|PUT|PATCH|DELETE) /\S*")


def _split(value: object) -> object:
    return frozenset(part.strip().lower() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class EdgeSettings(BaseModel):
    """Bounds on requests before anybody looks at what they ask for."""

    rate_limit_user: int = Field(
        default=240_000, ge=0, description="Requests a minute of one user in one organisation, with all keys and sessions; 0 for no limit."
    )
    rate_limit_key: int = Field(default=120_000, ge=0, description="Requests a minute with one API key; 0 for no limit.")
    rate_limit_tenant: int = Field(
        default=480_000, ge=0, description="Requests a minute of one organisation that has no quota of its own; 0 for no limit."
    )
    rate_limit_address: int = Field(
        default=240_000, ge=0, description="Requests a minute from one address (of IPv6: one /64 network); 0 for no limit."
    )
    rate_limit_strangers: int = Field(
        default=1_200, ge=0, description="Requests a minute from one address without a good credential; 0 for no limit."
    )
    rate_limit_sign_in: int = Field(
        default=60, ge=0, description="Requests a minute from one address to where people sign in or make accounts; 0 for no limit."
    )
    rate_limit_misses: int = Field(
        default=1_200, ge=0, description="Answers a minute that tell one user that there is no such thing (404); 0 for no limit."
    )
    rate_limit_routes: Annotated[Mapping[str, int], NoDecode] = Field(
        default_factory=dict,
        description="Requests a minute of one user to single routes, by method and path as in the reference: `POST /api/v1/execute=600,…`.",
    )
    cors_origins: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Origins, comma-separated, whose pages may call this server from a browser: `https://app.example.com`; `*` for all.",
    )
    allowed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), description="Names, comma-separated, by which this server is called (`Host`); without them any."
    )
    max_header_bytes: int = Field(default=65_536, ge=4_096, le=1_048_576, description="Largest head of a request, in bytes.")
    request_timeout_s: float = Field(
        default=20.0, gt=0, le=600, description="Seconds that the head of a request may take, and each 64 KiB of its body."
    )
    max_connections_per_address: int = Field(
        default=4_000, ge=0, description="Connections that one address may hold open at a time; 0 for no limit."
    )

    @field_validator("cors_origins", "allowed_hosts", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return _split(value)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: frozenset[str]) -> frozenset[str]:
        for origin in value - {"*"}:
            # "null" is what any sandboxed page sends: to allow it is to allow everybody.
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: write it like https://app.example.com, without a path")
        return value

    @field_validator("rate_limit_routes", mode="before")
    @classmethod
    def _read_routes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = (part.strip().rpartition("=") for part in value.split(",") if part.strip())
        return {route or quota: quota if route else 0 for route, _, quota in parts}

    @field_validator("rate_limit_routes")
    @classmethod
    def _are_routes(cls, value: Mapping[str, int]) -> Mapping[str, int]:
        for route, quota in value.items():
            if not _ROUTE.fullmatch(route) or quota < 1:
                raise ValueError(f"{route}={quota} is no limit: write it like POST /api/v1/execute=600")
        return value
