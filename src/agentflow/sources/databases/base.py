"""The port of a user's database and what its implementations share."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from agentflow.errors import NodeError
from agentflow.kit import json

Dialect: TypeAlias = Literal["sqlite", "postgresql", "mysql"]
Statement: TypeAlias = tuple[str, Mapping[str, Any]]
"""SQL with ``:name`` markers, and the values of those names."""

MAX_RESULT_BYTES = 20_000_000
"""Most bytes of rows one call holds in memory; outputs of nodes are bounded further by ``max_value_bytes``."""


class SourceSettings(Protocol):
    """What is needed of a source: its name for messages and its rendered settings."""

    @property
    def id(self) -> str:
        """The source's name."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Its settings."""
        ...


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of a statement; ``rowcount`` is the number returned or affected."""

    rows: Sequence[Mapping[str, Any]]
    rowcount: int


class UserDatabase(ABC):
    """A user's database; fulfils ``nodes.context.DatabaseSource``."""

    dialect: Dialect

    @abstractmethod
    async def run(
        self, statements: Sequence[Statement], *, read_only: bool, timeout_s: float, max_rows: int, effect: str | None = None
    ) -> Sequence[QueryResult]:
        """Run statements with bound ``:name`` parameters in one transaction; all or none.

        With ``effect``, a key, they run once for ever: when they were committed under it before, their results of then are returned. Ask
        ``remembers`` first.

        A source whose access is not ``read_write`` runs nothing but read-only transactions, whatever is asked.

        Raises:
            NodeError: ``DB_CONNECT``, ``DB_QUERY``, ``DB_TIMEOUT``, ``DB_READ_ONLY``, ``DB_FORBIDDEN``, ``DB_CONFIG`` or
                ``LIMIT_EXCEEDED``.
        """

    @abstractmethod
    async def remembers(self) -> bool:
        """Tell whether the database can note effects: whether the table ``agentflow_effects`` is there or may be made.

        Raises:
            NodeError: ``DB_CONNECT`` or ``DB_READ_ONLY``.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""


class Rows:
    """Collects the rows of one statement within bounds."""

    def __init__(self, columns: Iterable[str], max_rows: int) -> None:
        self._columns = _unique(columns)
        self._max_rows = max_rows
        self._size = 0
        self.rows: list[dict[str, Any]] = []

    def add(self, values: Sequence[Any]) -> None:
        """Add a row of JSON values.

        Raises:
            NodeError: ``LIMIT_EXCEEDED``, naming the bound; rows are never cut off in silence.
        """
        if len(self.rows) >= self._max_rows:
            raise _too_many("max_rows", f"{self._max_rows} rows", "Raise max_rows of the node, or select fewer rows.")
        self._size += sum(len(value) if isinstance(value, str) else 8 for value in values)
        if self._size > MAX_RESULT_BYTES:
            raise _too_many("result_bytes", f"{MAX_RESULT_BYTES} bytes", "Select fewer or smaller columns.")
        self.rows.append(dict(zip(self._columns, values, strict=True)))


def _unique(columns: Iterable[str]) -> list[str]:
    """Append numbers to the repeated names of a join, so that none hides another."""
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = seen.get(column, 0) + 1
        names.append(column if seen[column] == 1 else f"{column}_{seen[column]}")
    return names


def _too_many(limit: str, bound: str, hint: str) -> NodeError:
    return NodeError(f"The statement returns more than {bound}.", error_code="LIMIT_EXCEEDED", hint=hint, details={"limit": limit})


def bindable(value: Any) -> Any:
    """Return a JSON value as a scalar that every driver binds: lists and objects as JSON text."""
    return json.dumps(value) if isinstance(value, dict | list) else value


def reason(error: object) -> str:
    """Return a driver's words on one line, fit to end a sentence."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def read_only_refused() -> NodeError:
    """Return the error of a write that the source or the node does not allow."""
    return NodeError(
        "The statement would write, and this access is read-only.",
        error_code="DB_READ_ONLY",
        hint='Set "access": "read_write" in the source, and for raw SQL "write": true in the node.',
    )


def transaction_control_refused() -> NodeError:
    """Return the error of a statement that ends or changes the transaction around it."""
    return NodeError(
        "A statement ended or changed the transaction, which is the node's to do.",
        error_code="DB_FORBIDDEN",
        hint=(
            "Leave out BEGIN, COMMIT, ROLLBACK and SET TRANSACTION: the statements of a node are one transaction. "
            "On MySQL, CREATE, ALTER and DROP end it too, so each needs a node of its own."
        ),
    )


def control_database_refused(source_id: str) -> NodeError:
    """Return the error of a source that leads to AgentFlow's own database."""
    return NodeError(
        f"The source {source_id} leads to AgentFlow's own database.",
        error_code="DB_FORBIDDEN",
        hint="Use another database for the data of workflows.",
    )


def timed_out(timeout_s: float, *, retryable: bool) -> NodeError:
    """Return the error of statements that took too long; they were rolled back."""
    return NodeError(
        f"The database gave no complete answer within {timeout_s:g} s.",
        error_code="DB_TIMEOUT",
        retryable=retryable,
        hint="Raise timeout_s, or make the statement cheaper.",
    )
