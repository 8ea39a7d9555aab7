"""Tables of accounts: users, their sessions, one-time tokens, failed attempts, and the public keys of access tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


class UserRow(Base, TenantOwned):
    """A person, guest or service that acts; ``tenant_id`` is the organisation that administers the account.

    What it may do where is in its memberships: a user can belong to many organisations.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email", "email", unique=True, sqlite_where=text("email IS NOT NULL"), postgresql_where=text("email IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    username: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    kind: Mapped[str] = mapped_column(Text, server_default="person")
    email: Mapped[str | None] = mapped_column(Text)
    display_name: Mapped[str | None] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcTime)
    totp_secret: Mapped[str | None] = mapped_column(Text)
    totp_confirmed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    totp_last_step: Mapped[int | None] = mapped_column(Integer)
    recovery_codes: Mapped[Any | None] = mapped_column(JsonText)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SessionRow(Base, TenantOwned):
    """One signed-in device; ``tenant_id`` is the organisation it works in now.

    Only hashes of its secrets are kept. ``chain_key`` proves that a refresh token was once issued here, ``previous_*`` let those who sent
    the same one at the same moment have the same successor.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_user_id", "user_id", "id"),
        Index("ix_sessions_tenant_id", "tenant_id"),
        Index("ix_sessions_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[str] = mapped_column(Text)
    chain_key: Mapped[bytes] = mapped_column(LargeBinary)
    previous_hash: Mapped[str | None] = mapped_column(Text)
    previous_salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    rotated_at: Mapped[datetime | None] = mapped_column(UtcTime)
    second_factor: Mapped[bool] = mapped_column(Boolean)
    device: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    workflows: Mapped[Any] = mapped_column(JsonText)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class OneTimeTokenRow(Base):
    """A secret that works once: a sign-in link, a reset of a password, the proof of a mail address."""

    __tablename__ = "one_time_tokens"
    __table_args__ = (Index("ix_one_time_tokens_user_id", "user_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[str] = mapped_column(Text, unique=True)
    subject: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class AttemptRow(Base):
    """How often somebody was wrong, since when; the key is a hash, for what was typed may be a password."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    since: Mapped[datetime] = mapped_column(UtcTime)


class SigningKeyRow(Base):
    """The public half of a key pair that signs access tokens; the private half never leaves the process that made it."""

    __tablename__ = "signing_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
