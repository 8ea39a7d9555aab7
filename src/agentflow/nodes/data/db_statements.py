"""SQL of the structured operations: every name quoted, every value bound."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentflow.errors import NodeError
from agentflow.sources.databases.base import Dialect, Statement
from agentflow.sources.databases.sql import quoted

__all__ = ["Dialect", "Statement", "delete", "insert", "select", "update"]

_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "like": "LIKE", "in": "IN", "not in": "NOT IN"}


class _Writer:
    """Collects the values of one statement while its text is written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.params: dict[str, Any] = {}

    def name(self, name: str) -> str:
        return quoted(name, self.dialect)

    def table(self, name: str) -> str:
        return ".".join(self.name(part) for part in name.split("."))

    def value(self, value: Any) -> str:
        marker = f"p{len(self.params)}"
        self.params[marker] = value
        return f":{marker}"

    def columns(self, names: Sequence[str]) -> str:
        return "*" if list(names) == ["*"] else ", ".join(map(self.name, names))

    def where(self, conditions: Mapping[str, Any]) -> str:
        tests = [test for column, condition in conditions.items() for test in self._tests(column, condition)]
        return " WHERE " + " AND ".join(tests) if tests else ""

    def _tests(self, column: str, condition: Any) -> list[str]:
        if not isinstance(condition, Mapping):
            return [self._test(column, "in" if isinstance(condition, list) else "=", condition)]
        if not condition:
            raise _invalid(f"the condition on {column} is an empty object")
        return [self._test(column, str(operator).lower(), value) for operator, value in condition.items()]

    def _test(self, column: str, operator: str, value: Any) -> str:
        name = self.name(column)
        if operator == "is null" and isinstance(value, bool):
            return f"{name} IS NULL" if value else f"{name} IS NOT NULL"
        if value is None and operator in {"=", "!="}:
            return f"{name} IS NULL" if operator == "=" else f"{name} IS NOT NULL"
        if operator not in _OPERATORS:
            raise _invalid(f"the operator {operator!r} on {column} is not one of {', '.join(_OPERATORS)}, is null (true or false)")
        if operator in {"in", "not in"}:
            return self._membership(name, operator, value)
        return f"{name} {_OPERATORS[operator]} {self.value(value)}"

    def _membership(self, name: str, operator: str, value: Any) -> str:
        if not isinstance(value, list):
            raise _invalid(f"the operator {operator!r} on {name} needs a list")
        if not value:
            # SQL has no empty list: nothing is in it.
            return "1 = 0" if operator == "in" else "1 = 1"
        return f"{name} {_OPERATORS[operator]} ({', '.join(map(self.value, value))})"

    def returning(self, names: Sequence[str] | None) -> str:
        return f" RETURNING {self.columns(names)}" if names else ""


def select(
    dialect: Dialect,
    table: str,
    columns: Sequence[str] | None,
    where: Mapping[str, Any],
    order_by: Sequence[str],
    limit: int | None,
) -> Statement:
    """Return a SELECT.

    Raises:
        NodeError: ``DB_QUERY`` when a name or condition is not usable; so do the others here.
    """
    write = _Writer(dialect)
    text = f"SELECT {write.columns(columns or ['*'])} FROM {write.table(table)}{write.where(where)}"
    if order_by:
        text += " ORDER BY " + ", ".join(
            write.name(name.removeprefix("-")) + (" DESC" if name.startswith("-") else "") for name in order_by
        )
    return (text if limit is None else f"{text} LIMIT {int(limit)}"), write.params


def insert(dialect: Dialect, table: str, rows: Sequence[Mapping[str, Any]], returning: Sequence[str] | None) -> list[Statement]:
    """Return one INSERT a row."""
    if any(set(row) != set(rows[0]) or not row for row in rows):
        raise _invalid("the rows to insert do not all have the same columns")
    return [_insert(dialect, table, row, returning) for row in rows]


def _insert(dialect: Dialect, table: str, row: Mapping[str, Any], returning: Sequence[str] | None) -> Statement:
    write = _Writer(dialect)
    text = f"INSERT INTO {write.table(table)} ({write.columns(list(row))}) VALUES ({', '.join(map(write.value, row.values()))})"
    return text + write.returning(returning), write.params


def update(dialect: Dialect, table: str, values: Mapping[str, Any], where: Mapping[str, Any], returning: Sequence[str] | None) -> Statement:
    """Return an UPDATE."""
    write = _Writer(dialect)
    changes = ", ".join(f"{write.name(column)} = {write.value(value)}" for column, value in values.items())
    return f"UPDATE {write.table(table)} SET {changes}{write.where(where)}{write.returning(returning)}", write.params


def delete(dialect: Dialect, table: str, where: Mapping[str, Any], returning: Sequence[str] | None) -> Statement:
    """Return a DELETE."""
    write = _Writer(dialect)
    return f"DELETE FROM {write.table(table)}{write.where(where)}{write.returning(returning)}", write.params


def _invalid(reason: str) -> NodeError:
    return NodeError(
        f"The operation cannot be written as SQL: {reason}.", error_code="DB_QUERY", hint="See the db node's reference, or use sql."
    )
