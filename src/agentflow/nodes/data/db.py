"""``db``: reads and changes the data of a user's database."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from agentflow.infra.observability import tracing
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import DatabaseSource, NodeContext
from agentflow.nodes.data import db_statements
from agentflow.spec.effects import EffectClass

Operation = Literal["select", "insert", "update", "delete"]
# What each way of asking may carry besides itself.
_FIELDS: Mapping[str, frozenset[str]] = {
    "select": frozenset({"table", "columns", "where", "order_by", "limit"}),
    "insert": frozenset({"table", "values", "returning"}),
    "update": frozenset({"table", "values", "where", "returning", "allow_all"}),
    "delete": frozenset({"table", "where", "returning", "allow_all"}),
    "sql": frozenset({"params", "write"}),
    "statements": frozenset({"write"}),
}
_ALWAYS = frozenset({"operation", "sql", "statements", "timeout_s", "max_rows"})
_WRITES = frozenset({"insert", "update", "delete"})


class SqlStatement(NodeConfig):
    """One statement of a transaction."""

    sql: str = Field(
        min_length=1,
        max_length=100_000,
        description="SQL with `:name` where a value goes; never a template.",
        examples=["UPDATE accounts SET balance = balance - :amount WHERE id = :id"],
        json_schema_extra={"x-raw": True},
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="Values of the names, bound by the database.", examples=[{"amount": 5, "id": "{{ inputs.id }}"}]
    )


class DbConfig(NodeConfig):
    """Settings of ``db``: exactly one of ``operation``, ``sql`` and ``statements``."""

    operation: Operation | None = Field(
        default=None, description="What to do with `table`: `select`, `insert`, `update` or `delete`.", examples=["select"]
    )
    table: str | None = Field(
        default=None, min_length=1, max_length=200, description="Table; `schema.table` where there are schemas.", examples=["orders"]
    )
    columns: list[str] | None = Field(
        default=None, min_length=1, description="`select`: columns to read; all when null.", examples=[["id", "total"]]
    )
    values: dict[str, Any] | list[dict[str, Any]] | None = Field(
        default=None,
        description="`insert`: one row or a list of rows with the same columns; `update`: the new values.",
        examples=[{"customer": "{{ inputs.customer }}", "total": 12.5}],
    )
    where: dict[str, Any] = Field(
        default_factory=dict,
        description=(
            "Which rows, all conditions together: `{column: value}` for equality (null for IS NULL, a list for IN), or "
            "`{column: {operator: value}}` with `=`, `!=`, `<`, `<=`, `>`, `>=`, `like`, `in`, `not in`, `is null`."
        ),
        examples=[{"status": "open", "total": {">=": 100}}],
    )
    order_by: list[str] = Field(
        default_factory=list, description="`select`: columns to sort by; `-column` sorts downwards.", examples=[["-created_at"]]
    )
    limit: int | None = Field(default=None, ge=1, le=100_000, description="`select`: most rows to read.", examples=[50])
    returning: list[str] | None = Field(
        default=None,
        min_length=1,
        description='`insert`, `update`, `delete`: columns to bring back of the changed rows; `["*"]` for all. Not on MySQL for updates.',
        examples=[["id"]],
    )
    allow_all: bool = Field(default=False, description="Let `update` and `delete` go without `where`.", examples=[False])
    sql: str | None = Field(
        default=None,
        min_length=1,
        max_length=100_000,
        description="One statement of SQL with `:name` where a value goes; never a template.",
        examples=["SELECT id, total FROM orders WHERE customer = :customer"],
        json_schema_extra={"x-raw": True},
    )
    params: dict[str, Any] = Field(
        default_factory=dict, description="Values of the names in `sql`, bound by the database.", examples=[{"customer": "{{ inputs.id }}"}]
    )
    statements: list[SqlStatement] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Several statements of SQL in one transaction, all or none; the output is that of the last.",
        examples=[[{"sql": "DELETE FROM carts WHERE id = :id", "params": {"id": 7}}]],
    )
    write: bool = Field(
        default=False, description="`sql` and `statements` change data; without it the database refuses changes.", examples=[False]
    )
    timeout_s: float = Field(default=30.0, gt=0, le=3600, description="Seconds for the whole transaction.", examples=[30])
    max_rows: int = Field(
        default=1000, ge=1, le=100_000, description="Most rows in the output; more fail the node, they are not cut off.", examples=[1000]
    )

    @model_validator(mode="after")
    def _complete(self) -> "DbConfig":
        ways = [name for name in (self.operation, self.sql and "sql", self.statements and "statements") if name]
        if len(ways) != 1:
            raise ValueError("give exactly one of operation, sql and statements")
        unread = self.model_fields_set - _FIELDS[ways[0]] - _ALWAYS
        if unread:
            raise ValueError(f"{min(unread)} has no meaning with {ways[0]}")
        if self.operation is not None:
            self._check_operation()
        return self

    def _check_operation(self) -> None:
        if self.table is None:
            raise ValueError("operation needs table")
        if self.operation in {"insert", "update"} and not self.values:
            raise ValueError(f"{self.operation} needs values")
        if self.operation == "update" and isinstance(self.values, list):
            raise ValueError("update takes one object of values")
        if self.operation in {"update", "delete"} and not self.where and not self.allow_all:
            raise ValueError(f"{self.operation} without where changes every row; set allow_all if that is meant")


_CHANGES_ROWS = re.compile(r"\s*(insert|update|delete|replace|with|select)\b", re.IGNORECASE)
"""What MySQL runs inside a transaction; CREATE, ALTER, DROP and others it commits by themselves."""


class DbOutput(NodeOutput):
    """What ``db`` brings back."""

    rows: list[dict[str, Any]] = Field(
        description="Rows by column; dates and exact numbers are text, bytes are base64.", examples=[[{"id": 7, "total": "12.50"}]]
    )
    rowcount: int = Field(description="Number of rows returned or changed.", examples=[1])


class DbNode(NodeType[DbConfig]):
    """Works on a user's database, never on AgentFlow's own."""

    type = "db"
    title = "Database"
    description = "Reads or changes a SQLite, PostgreSQL, MySQL or MariaDB database; read-only unless node and source say otherwise."
    category = "data"
    icon = "database"
    config_model = DbConfig
    output_model = DbOutput
    source_kinds = frozenset({"db"})
    example = {
        "id": "orders",
        "type": "db",
        "source": "shop",
        "config": {"operation": "select", "table": "orders", "where": {"customer": "{{ inputs.customer }}"}, "limit": 50},
    }

    def effect(self, config: Mapping[str, Any]) -> EffectClass:
        """Return ``pure`` for what the database is told to run read-only; a change commits with a note of it."""
        return EffectClass.TRANSACTIONAL if config.get("write") or config.get("operation", "select") != "select" else EffectClass.PURE

    async def run(self, context: NodeContext, config: DbConfig) -> DbOutput:
        """Run the statements in one transaction; a change exactly once, where the database can note it.

        Raises:
            NodeError: an error of the database, see ``sources.databases``.
        """
        database = context.database()
        statements = _statements(config, database.dialect)
        read_only = not config.write and config.operation not in _WRITES
        effect = None if read_only else await _effect(context, database, statements)
        with _span(config, database.dialect, statements) as span:
            results = await database.run(
                statements, read_only=read_only, timeout_s=config.timeout_s, max_rows=config.max_rows, effect=effect
            )
            span.set({"db.response.returned_rows": sum(len(result.rows) for result in results)})
        if config.operation is not None:
            rows = [dict(row) for result in results for row in result.rows]
            return DbOutput(rows=rows, rowcount=sum(result.rowcount for result in results))
        return DbOutput(rows=[dict(row) for row in results[-1].rows], rowcount=results[-1].rowcount)


async def _effect(context: NodeContext, database: DatabaseSource, statements: Sequence[db_statements.Statement]) -> str | None:
    """Return the key under which a change is noted; None where the database cannot, and then the change is of class ``once``."""
    ends_by_itself = database.dialect == "mysql" and len(statements) == 1 and not _CHANGES_ROWS.match(statements[0][0])
    if not ends_by_itself and await database.remembers():
        return context.key
    await context.cannot_repeat()
    return None


def _span(config: DbConfig, dialect: db_statements.Dialect, statements: Sequence[db_statements.Statement]) -> tracing.Span:
    """Begin a span by OpenTelemetry's conventions for databases; the SQL only where content may be shown, its values never."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    operation = (config.operation or statements[0][0].split(maxsplit=1)[0]).upper()
    attributes: dict[str, tracing.Value | None] = {
        "db.system.name": dialect,
        "db.operation.name": operation,
        "db.collection.name": config.table,
        "db.operation.batch.size": len(statements) if len(statements) > 1 else None,
    }
    if tracing.shows_content():
        attributes["db.query.text"] = "; ".join(sql for sql, _ in statements)
    return tracing.span(" ".join(filter(None, (operation, config.table))), tracing.SpanKind.CLIENT, attributes)


def _statements(config: DbConfig, dialect: db_statements.Dialect) -> Sequence[db_statements.Statement]:
    if config.statements is not None:
        return [(statement.sql, statement.params) for statement in config.statements]
    if config.sql is not None:
        return [(config.sql, config.params)]
    table = config.table or ""
    values = config.values or {}
    match config.operation:
        case "insert":
            return db_statements.insert(dialect, table, values if isinstance(values, list) else [values], config.returning)
        case "update":
            assert isinstance(values, dict)  # noqa: S101 - the model checked it
            return [db_statements.update(dialect, table, values, config.where, config.returning)]
        case "delete":
            return [db_statements.delete(dialect, table, config.where, config.returning)]
        case _:
            return [db_statements.select(dialect, table, config.columns, config.where, config.order_by, config.limit)]
