"""The second wall between tenants: row-level security of PostgreSQL. On SQLite the repositories stand alone.

Every table of tenants' data has two policies. One lets the role ``agentflow_tenant`` see the rows of the tenant that the transaction names,
and none when it names none. The other lets the login role see all rows, for what the server does for everybody: claiming runs, sweeping,
deleting what is old. ``FORCE`` makes both hold for the owner of the table too. A transaction on behalf of a caller takes on the tenant's role
and names the tenant for itself alone (``SET LOCAL``), so a pooled connection forgets both at its end.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from agentflow.errors import AgentFlowError, Kind

ROLE = "agentflow_tenant"
"""A group role of the server, without login, ownership or any privilege but those on tenants' tables; the same for all its databases."""

APPEND_ONLY = frozenset({"audit_records", "audit_heads", "audit_anchors", "audit_floors"})
"""Tables of tenants that transactions on behalf of a caller can only read and add to."""

# The name of the role is a constant.
# ast-grep-ignore: no-built-sql
AS_TENANT = text(f"SELECT set_config('role', '{ROLE}', true), set_config('agentflow.tenant', :tenant, true)")
"""Makes the rest of the transaction one tenant's."""

_OWN_ROWS = "tenant_id = NULLIF(current_setting(''agentflow.tenant'', true), '''')::uuid"

_CREATE_ROLE = f"""
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}') THEN
    BEGIN
      CREATE ROLE {ROLE} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END IF;
  IF NOT pg_has_role(CURRENT_USER, '{ROLE}', 'MEMBER') THEN
    EXECUTE format('GRANT {ROLE} TO %I', CURRENT_USER);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO {ROLE}', current_schema());
END $$
"""  # nosec B608 - our own names

_PROTECT = f"""
DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY[{{tables}}] LOOP
    IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND tablename = name AND policyname = 'tenant_rows') THEN
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
      EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO {ROLE}', name);
      EXECUTE format('CREATE POLICY tenant_rows ON %I TO {ROLE} USING ({_OWN_ROWS}) WITH CHECK ({_OWN_ROWS})', name);
      EXECUTE format('CREATE POLICY server_rows ON %I TO %I USING (true) WITH CHECK (true)', name, CURRENT_USER);
    END IF;
  END LOOP;
END $$
"""  # nosec B608 - our own names

_RELEASE = f"""
DO $$ DECLARE name text; BEGIN
  FOREACH name IN ARRAY ARRAY[{{tables}}] LOOP
    EXECUTE format('DROP POLICY IF EXISTS tenant_rows ON %I', name);
    EXECUTE format('DROP POLICY IF EXISTS server_rows ON %I', name);
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);
    EXECUTE format('REVOKE ALL ON %I FROM {ROLE}', name);
  END LOOP;
END $$
"""


class TenantRoleMissing(AgentFlowError):
    """The database role that tenants' queries run under cannot be made by the login role."""

    kind, code, title = Kind.UNAVAILABLE, "TENANT_ROLE_MISSING", "Database role missing"


def tables_of_tenants(metadata: MetaData) -> list[str]:
    """Return the names of all tables whose rows belong to a tenant."""
    return [table.name for table in metadata.sorted_tables if "tenant_id" in table.columns]


def protect(connection: Connection, tables: Sequence[str]) -> None:
    """Put row-level security on ``tables``; those that have it stay as they are. Does nothing on SQLite.

    Raises:
        TenantRoleMissing: the role does not exist, and the login role may not create it.
    """
    if connection.dialect.name != "postgresql":
        return
    try:
        connection.exec_driver_sql(_CREATE_ROLE)
    except DBAPIError as error:
        raise TenantRoleMissing(
            f"The database has no role {ROLE} that this login may take on, and the login may not create it.",
            hint=f"As an administrator of the database: CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO <the login of AGENTFLOW_DATABASE_URL>;",
        ) from error
    connection.exec_driver_sql(_PROTECT.format(tables=_listed(tables)))
    for table in APPEND_ONLY.intersection(tables):
        # Our own names.
        # ast-grep-ignore: no-built-sql
        connection.exec_driver_sql(f'REVOKE UPDATE, DELETE ON "{table}" FROM {ROLE}')


def release(connection: Connection, tables: Sequence[str]) -> None:
    """Take row-level security off ``tables`` again; the role stays, for other databases of the server may use it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_RELEASE.format(tables=_listed(tables)))


def _listed(tables: Sequence[str]) -> str:
    return ", ".join(f"'{table}'" for table in tables)
