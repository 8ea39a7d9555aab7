"""Accounts, sessions, keys, and the mail that they need."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode


class IdentitySettings(BaseModel):
    """Who may come in, for how long, and how they are told things."""

    registration: Literal["invited", "open"] = Field(
        default="invited", description="Who may register: `invited` only with an invitation or by an administrator, `open` everybody."
    )
    guest_access: bool = Field(
        default=False, description="Whether `POST /auth/guest` gives strangers an account in an organisation of their own."
    )
    guest_days: float = Field(default=30.0, gt=0, description="Days after which a guest's account that was not upgraded is deleted.")
    password_min_length: int = Field(default=15, ge=8, le=64, description="Fewest characters of a password.")
    second_factor_required: bool = Field(
        default=False, description="Whether whoever signed in without a second factor may do nothing but set one up."
    )
    login_attempts: int = Field(
        default=10, ge=1, le=1_000, description="Wrong passwords, codes or tokens a minute, for one account and from one address; then 429."
    )
    access_token_s: int = Field(default=900, ge=10, le=3_600, description="Seconds an access token is good for.")
    session_days: float = Field(default=30.0, gt=0, le=400, description="Days after which a device signs in again, used or not.")
    session_idle_days: float = Field(default=7.0, gt=0, le=400, description="Days after which an unused device signs in again.")
    fresh_sign_in_s: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="Seconds after signing in for which a device signs others out without the password again.",
    )
    signing_key_s: int = Field(default=86_400, ge=60, description="Seconds after which a process signs access tokens with a new key pair.")
    api_key_rotation_days: int = Field(
        default=90, ge=0, le=3_650, description="Days after which an API key is to be rotated, where it does not say itself; 0 for never."
    )
    api_key_grace_days: float = Field(default=7.0, ge=0, le=90, description="Days an API key works beyond its rotation.")
    invitation_days: float = Field(default=7.0, gt=0, le=90, description="Days an invitation can be accepted.")
    reset_link_s: int = Field(default=1_800, ge=60, le=86_400, description="Seconds a link that resets a password is good for.")
    identity_cleanup_s: float = Field(
        default=300.0, ge=1, description="Seconds between two searches for sessions, tokens and guests that are over."
    )
    public_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s/]+[^\s]*$", description="Where people reach this server, for links in mails: `https://…`."
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="`smtp://user:password@host:587` (STARTTLS), `smtps://…:465` (TLS); without it mails are written to the terminal.",
    )
    mail_from: str = Field(default="AgentFlow <agentflow@localhost>", max_length=320, description="The sender of mails.")
    trusted_proxies: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Addresses or networks of reverse proxies, comma-separated, whose `X-Forwarded-For` and `X-Forwarded-Proto` tell where a request comes from.",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_proxies(cls, value: object) -> object:
        return frozenset(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: frozenset[str]) -> frozenset[str]:
        for text in value:
            ip_network(text, strict=False)
        return value
