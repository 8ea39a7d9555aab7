"""Stored workflows: the newest specification, with its nodes and edges as rows."""
