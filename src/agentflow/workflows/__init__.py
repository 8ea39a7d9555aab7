"""Stored definitions and their versions."""
