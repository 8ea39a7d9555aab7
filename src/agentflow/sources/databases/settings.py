"""The settings of a source of kind ``db``."""

from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agentflow.errors import NodeError
from agentflow.sources.databases.base import SourceSettings

Driver: TypeAlias = Literal["sqlite", "postgresql", "mysql"]
_DRIVERS: dict[str, Driver] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_PORTS = {"postgresql": 5432, "mysql": 3306}


class DatabaseSettings(BaseModel):
    """How to reach a database, in one of three ways: ``url``, ``path`` (SQLite), or ``driver`` with ``host`` and the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str | None = Field(
        default=None,
        min_length=1,
        description="`postgresql://user:password@host:5432/name`, `mysql://…` or `sqlite:///path`.",
        examples=["postgresql://reader:{{ secrets.SHOP_PASSWORD }}@db.example.com/shop"],
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="SQLite file; a relative path lies in the organisation's folder of the data folder.",
        examples=["shop.db"],
    )
    driver: Literal["postgresql", "postgres", "mysql", "mariadb"] | None = Field(
        default=None, description="Kind of server.", examples=["postgresql"]
    )
    host: str | None = Field(default=None, min_length=1, description="Host name of the server.", examples=["db.example.com"])
    port: int | None = Field(default=None, ge=1, le=65535, description="Port of the server; the usual one when null.", examples=[5432])
    database: str | None = Field(default=None, min_length=1, description="Name of the database.", examples=["shop"])
    user: str | None = Field(default=None, min_length=1, description="User name.", examples=["reader"])
    password: str | None = Field(default=None, repr=False, description="Password.", examples=["{{ secrets.SHOP_PASSWORD }}"])
    access: Literal["read_only", "read_write"] = Field(
        default="read_only",
        description="`read_write` lets nodes change data; the database itself enforces `read_only`.",
        examples=["read_only"],
    )
    pool_size: int = Field(default=4, ge=1, le=50, description="Most connections at the same time.", examples=[4])
    ssl: Literal["prefer", "disable", "require", "verify"] = Field(
        default="prefer",
        description="TLS: `verify` checks the certificate, `require` only encrypts, `prefer` encrypts when a PostgreSQL server offers it.",
        examples=["verify"],
    )

    @model_validator(mode="after")
    def _one_way(self) -> "DatabaseSettings":
        if sum(way is not None for way in (self.url, self.path, self.driver)) != 1:
            raise ValueError("give exactly one of url, path and driver")
        server = {"host", "port", "database", "user", "password"} & self.model_fields_set
        if self.driver is None and server:
            raise ValueError(f"{min(server)} goes with driver, not with url or path")
        if self.driver is not None and (self.host is None or self.database is None or self.user is None):
            raise ValueError("driver needs host, database and user")
        return self


class Place(BaseModel):
    """Where a database is, whichever way the settings said it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    driver: Driver
    path: Path | None = None
    host: str = ""
    port: int = 0
    database: str = ""
    user: str = ""
    password: str = Field(default="", repr=False)


def read(source: SourceSettings) -> DatabaseSettings:
    """Return a source's settings, checked.

    Raises:
        NodeError: ``DB_CONFIG``, naming the setting; never showing its value, which may hold a secret.
    """
    try:
        return DatabaseSettings.model_validate(dict(source.config))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "config"
        raise config_error(source.id, f"{place}: {first['msg'].removeprefix('Value error, ')}") from error


def locate(source_id: str, settings: DatabaseSettings) -> Place:
    """Return where the settings lead.

    Raises:
        NodeError: ``DB_CONFIG`` when the URL cannot be read.
    """
    if settings.path is not None:
        return Place(driver="sqlite", path=Path(settings.path))
    if settings.driver is not None:
        driver = _DRIVERS[settings.driver]
        return Place(
            driver=driver,
            host=settings.host or "",
            port=settings.port or _PORTS[driver],
            database=settings.database or "",
            user=settings.user or "",
            password=settings.password or "",
        )
    return _from_url(source_id, settings.url or "")


def _from_url(source_id: str, text: str) -> Place:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url: Any = make_url(text)
        driver = _DRIVERS[url.get_backend_name()]
    except (ArgumentError, KeyError, ValueError) as error:
        raise config_error(source_id, "url: begin with postgresql://, mysql:// or sqlite:///") from error
    if url.query:
        raise config_error(source_id, "url: settings behind ? are not read; use ssl and pool_size")
    if not url.database:
        raise config_error(source_id, "url: it names no database")
    if driver == "sqlite":
        return Place(driver=driver, path=Path(url.database))
    if not url.host or not url.username:
        raise config_error(source_id, "url: it names no host or no user")
    return Place(
        driver=driver,
        host=url.host,
        port=url.port or _PORTS[driver],
        database=url.database,
        user=url.username,
        password=str(url.password or ""),
    )


def config_error(source_id: str, reason: str) -> NodeError:
    """Return the error of a source whose settings do not describe a usable database."""
    return NodeError(
        f"The settings of source {source_id} do not describe a database: {reason}.",
        error_code="DB_CONFIG",
        hint="A source of kind db has url, or path, or driver, host, database, user and password.",
    )
