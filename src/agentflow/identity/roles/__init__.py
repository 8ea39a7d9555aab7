"""Roles: those built in, and those of an organisation."""
