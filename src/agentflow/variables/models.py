"""The table of variables."""

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base
from agentflow.infra.db.types import JsonText
from agentflow.infra.named.models import NamedRow


class VariableRow(Base, NamedRow):
    """A variable; its value stands in an object, so that a null is one too."""

    __tablename__ = "variables"

    value: Mapped[Any] = mapped_column(JsonText)
