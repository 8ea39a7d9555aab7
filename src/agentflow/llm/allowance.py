"""How many tokens organisations may use: kept before a call, counted after it, exactly and over all processes.

Only organisations with a quota are counted. What a call will use is estimated: its prompt, and the longest answer that it allows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import NodeError
from agentflow.identity.quotas import TOKENS_PER_DAY, TOKENS_PER_MONTH, TenantQuotas
from agentflow.infra.db.engine import Database
from agentflow.infra.db.turns import take_turn
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.llm.models import TokenHoldRow, TokenUseRow

_BEGIN = date(1970, 1, 1)
_LEEWAY_S = 60.0
"""Seconds that a call may take beyond its own limit before what was kept for it is given back."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Tokens that are kept for a call under way."""

    id: str
    tenant_id: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Used:
    """What an organisation used and keeps.

    Attributes:
        day: tokens of today, in UTC.
        month: tokens of this month.
        held: tokens kept for calls under way.
    """

    day: int
    month: int
    held: int


class Allowance:
    """The tokens of all organisations that have a quota.

    Args:
        database: where they are counted.
        clock: the time.
        quotas: how many each may use.
    """

    def __init__(self, database: Database, clock: Clock, quotas: TenantQuotas) -> None:
        self._database = database
        self._clock = clock
        self._quotas = quotas

    async def take(self, tenant_id: str, tokens: int, within_s: float) -> Hold | None:
        """Keep tokens for a call that takes ``within_s`` seconds at most; None for an organisation without a quota.

        Raises:
            NodeError: ``TOKEN_QUOTA_REACHED``.
        """
        quotas = await self._quotas.of(tenant_id)
        if TOKENS_PER_DAY not in quotas and TOKENS_PER_MONTH not in quotas:
            return None
        now = self._clock.now()
        hold = Hold(new_id(), tenant_id, tokens)
        async with self._database.transaction() as session:
            await take_turn(session, "tokens", tenant_id)
            await session.execute(delete(TokenHoldRow).where(TokenHoldRow.tenant_id == tenant_id, TokenHoldRow.expires_at <= now))
            _check(quotas, await _used(session, tenant_id, now), tokens)
            row = {"id": hold.id, "tenant_id": tenant_id, "tokens": tokens, "expires_at": now + timedelta(seconds=within_s + _LEEWAY_S)}
            await session.execute(insert(TokenHoldRow).values(row))
        return hold

    async def settle(self, hold: Hold, used: int) -> None:
        """Count what a call really used; what was kept for it is free again."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = {"tenant_id": hold.tenant_id, "day": _day(self._clock.now()), "tokens": used}
        adding = dialect.insert(TokenUseRow).values(row)
        adding = adding.on_conflict_do_update(
            index_elements=["tenant_id", "day"], set_={"tokens": TokenUseRow.tokens + adding.excluded.tokens}
        )
        async with self._database.transaction() as session:
            await take_turn(session, "tokens", hold.tenant_id)
            await session.execute(delete(TokenHoldRow).where(TokenHoldRow.tenant_id == hold.tenant_id, TokenHoldRow.id == hold.id))
            await session.execute(adding)

    async def used(self, tenant_id: str) -> Used:
        """Return what an organisation has used."""
        async with self._database.reading() as session:
            return await _used(session, tenant_id, self._clock.now())


def _day(moment: datetime) -> int:
    return (moment.astimezone(UTC).date() - _BEGIN).days


async def _used(session: AsyncSession, tenant_id: str, now: datetime) -> Used:
    today = _day(now)
    first = today - now.astimezone(UTC).day + 1
    days = select(TokenUseRow.day, TokenUseRow.tokens).where(TokenUseRow.tenant_id == tenant_id, TokenUseRow.day >= first)
    by_day = {row.day: row.tokens for row in await session.execute(days)}
    held = select(func.sum(TokenHoldRow.tokens)).where(TokenHoldRow.tenant_id == tenant_id, TokenHoldRow.expires_at > now)
    return Used(by_day.get(today, 0), sum(by_day.values()), int(await session.scalar(held) or 0))


def _check(quotas: Mapping[str, int], used: Used, tokens: int) -> None:
    spans = ((TOKENS_PER_DAY, "today", "tomorrow", used.day), (TOKENS_PER_MONTH, "this month", "next month", used.month))
    for name, span, then, count in spans:
        most = quotas.get(name)
        if most is not None and count + used.held + tokens > most:
            facts = f"{count} are used, {used.held} kept for calls under way, and this one may take {tokens}"
            raise NodeError(
                f"Your organisation may use {most} tokens {span}: {facts}.",
                error_code="TOKEN_QUOTA_REACHED",
                hint=f"Set a smaller max_tokens, wait until {then}, or ask whoever runs this server for more.",
                details={"quota": name, "limit": most, "used": count, "held": used.held, "asked": tokens},
            )
