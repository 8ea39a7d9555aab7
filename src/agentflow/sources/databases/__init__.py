"""Databases of users: SQLite, PostgreSQL, MySQL and MariaDB; never the control database."""
