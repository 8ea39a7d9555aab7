"""The control database: SQLite by default, PostgreSQL for a cluster."""
