"""The declarative base of all tables and what every table has."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from agentflow.infra.db.types import Id

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every table of the control database."""

    metadata = MetaData(naming_convention=NAMING)


class TenantOwned:
    """Mixin of every table that holds a tenant's data; repositories refuse a query that does not name the tenant."""

    tenant_id: Mapped[str] = mapped_column(Id, nullable=False)
